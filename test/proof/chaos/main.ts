/** `npm run chaos`: real agents, a real NATS server, real faults. */
import { Command, Option } from 'commander';
import { numberBetween } from '../../../src/cli/option-parsers.js';
import { EXIT_FAILURE, processTerminal } from '../../../src/cli/terminal.js';
import { runChaos } from './run-chaos.js';

const MS_PER_MINUTE = 60_000;
const MINUTES_MAX = 1440;
const CANCELS = 1000;
const KILLS_MIN = 1;
const ROOM_MS_MAX = 1000;

interface Flags {
  readonly minutes: number;
  readonly seed: number;
  readonly roomMs: number;
  readonly logs?: string;
  readonly json?: true;
}

const terminal = processTerminal();
await new Command('chaos')
  .description('Kill, stop and restart real agents under load; check every byte, page and end.')
  .addOption(new Option('--minutes <number>', 'how long').argParser(minutes).default(3))
  .addOption(new Option('--seed <number>', 'for what is random').argParser(numberBetween(0, 2 ** 31)).default(1))
  .addOption(
    new Option('--room-ms <number>', 'so much beyond a limit of time is no fault; a slow machine needs some')
      .argParser(numberBetween(0, ROOM_MS_MAX))
      .default(0),
  )
  .option('--logs <directory>', "keep the agents' logs there")
  .option('--json', 'print the result as one JSON object on the last line')
  .action(async (flags: Flags) => {
    const say = flags.json ? terminal.err : terminal.out;
    const { seed, roomMs, logs: logDirectory } = flags;
    const report = await runChaos(
      { durationMs: flags.minutes * MS_PER_MINUTE, seed, killsMin: KILLS_MIN, cancels: CANCELS, roomMs, logDirectory },
      say,
    );
    for (const [name, value] of Object.entries(report)) say(`${name}: ${JSON.stringify(value)}`);
    if (flags.json) terminal.out(JSON.stringify(report));
    if (report.violations.length + report.limitsBroken.length > 0) terminal.exitCode = EXIT_FAILURE;
  })
  .parseAsync();

function minutes(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value <= MINUTES_MAX) return value;
  throw new Error(`${text} is not a number of minutes up to ${MINUTES_MAX}`);
}
