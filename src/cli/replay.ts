/** `kvferry replay FILE`: runs a recorded agent again, step by step. */
import { Command, Option } from 'commander';
import { Replay } from '../observe/replay/replay.js';
import { KvferryError } from '../protocol/errors.js';
import { type Keys, keysOf } from './keyboard.js';
import { numberBetween } from './option-parsers.js';
import { reportLines, reportOf, situationLines } from './replay/report.js';
import { StepTexts } from './replay/step-text.js';
import { stepThrough } from './replay/step-through.js';
import { EXIT_FAILURE, type Terminal } from './terminal.js';

const STEP_MAX = 2 ** 31 - 1;

interface ReplayFlags {
  readonly at?: number;
  readonly list?: true;
  readonly request?: string;
  readonly step?: true;
  readonly strict?: true;
  readonly json?: true;
}

/** `keys`: the keys of the terminal. Tests pass their own. */
export function replayCommand(terminal: Terminal, keys: () => Keys = terminalKeys): Command {
  return new Command('replay')
    .description('Run a recorded agent (kvferry agent --record) again, and check every step.')
    .argument('<file>', 'file of the recording')
    .addOption(new Option('--at <step>', 'show the whole state after this step').argParser(numberBetween(0, STEP_MAX)))
    .option('--list', 'list the steps, one on a line; ! marks a divergence, !! a violation')
    .option('--request <id>', 'list only the steps that name this request')
    .option('--step', 'step forwards and backwards with the keys of a terminal')
    .option('--strict', 'also fail on a divergence: the agent does not do what was recorded')
    .option('--json', 'print the result as one JSON object on the last line')
    .action(async (path: string, flags: ReplayFlags, command: Command) => {
      const chosen = [flags.at !== undefined, flags.step, flags.list ?? flags.request !== undefined].filter(Boolean);
      if (chosen.length > 1) command.error("error: only one of '--at', '--step' and '--list' or '--request'");
      const pressed = flags.step ? keys() : undefined;
      const replay = await Replay.open(path);
      const texts = new StepTexts(replay.recording);
      if (pressed !== undefined) await stepThrough(replay, texts, pressed, terminal);
      else if (flags.at !== undefined) await showStep(replay, texts, flags.at, flags, terminal);
      else await showAll(replay, texts, flags, terminal);
    });
}

async function showStep(
  replay: Replay,
  texts: StepTexts,
  step: number,
  { json }: ReplayFlags,
  terminal: Terminal,
): Promise<void> {
  if (step > replay.last) {
    throw new KvferryError('invalid_configuration', `there is no step ${step}; the last step is ${replay.last}`, {
      field: 'at',
    });
  }
  await replay.goTo(step);
  if (!json) for (const line of situationLines(replay, texts, { machines: true })) terminal.out(line);
  else {
    const { machines, ...situation } = replay.situation;
    terminal.out(
      JSON.stringify({ ...situation, machines: Object.fromEntries(machines), store: replay.inspectStore() }),
    );
  }
}

async function showAll(replay: Replay, texts: StepTexts, flags: ReplayFlags, terminal: Terminal): Promise<void> {
  const say = flags.json ? terminal.err : terminal.out;
  const isListed = flags.list || flags.request !== undefined;
  do {
    const { recorded, divergences, violations } = replay.situation;
    if (!isListed || (flags.request !== undefined && !texts.names(recorded, flags.request))) continue;
    const mark = violations.length > 0 ? ' !!' : '';
    say(`${texts.listed(recorded)}${mark === '' && divergences.length > 0 ? ' !' : mark}`);
  } while (await replay.stepForward());
  const report = reportOf(replay);
  for (const line of reportLines(report)) say(line);
  if (flags.json) terminal.out(JSON.stringify(report));
  const isBroken = report.violations > 0 || (flags.strict === true && report.divergences > 0);
  if (isBroken) terminal.exitCode = EXIT_FAILURE;
}

function terminalKeys(): Keys {
  if (process.stdin.isTTY) return keysOf(process.stdin);
  throw new KvferryError('invalid_configuration', '--step needs a terminal; use --list or --at without one', {
    field: 'step',
  });
}
