/** `kvferry sim`: runs clusters in one process on a simulated clock, network and fabric, with injected faults. */
import { availableParallelism } from 'node:os';
import { Command, Option } from 'commander';
import { numberBetween } from './option-parsers.js';
import { runSeeds, type SeedsResult } from './sim/run-seeds.js';
import { EXIT_FAILURE, type Terminal } from './terminal.js';

const SEED_MAX = 2 ** 31 - 1;
const SEEDS = 200;
const SEEDS_MAX = 10_000_000;
const THREADS_MAX = 256;
const FIRST_SEED = 1;
/** Seeds between two progress lines. */
const PROGRESS_SEEDS = 100;

interface SimFlags {
  readonly seeds: number;
  readonly from: number;
  readonly seed?: number;
  readonly trace?: true;
  readonly untilFailure?: true;
  readonly threads: number;
  readonly json?: true;
}

/** `worker`: the module that each thread runs. Tests pass their own. */
export function simCommand(terminal: Terminal, worker = new URL('./sim/seed-worker.js', import.meta.url)): Command {
  const number = (flags: string, description: string, min: number, max: number) =>
    new Option(flags, description).argParser(numberBetween(min, max));
  return new Command('sim')
    .description('Run whole clusters on a simulated clock, network and fabric, and check every step.')
    .addOption(number('--seeds <count>', 'number of scenarios', 1, SEEDS_MAX).default(SEEDS))
    .addOption(number('--from <seed>', 'first seed', 0, SEED_MAX).default(FIRST_SEED))
    .addOption(number('--seed <seed>', 'run only this seed', 0, SEED_MAX))
    .option('--until-failure', 'stop at the first failing seed')
    .option('--trace', 'with --seed: print every event')
    .addOption(number('--threads <count>', 'number of threads', 1, THREADS_MAX).default(availableParallelism()))
    .option('--json', 'print the result as one JSON object on the last line')
    .action(async (flags: SimFlags, command: Command) => {
      const say = flags.json ? terminal.err : terminal.out;
      if (flags.trace && flags.seed === undefined) command.error("error: option '--trace' needs '--seed <seed>'");
      if (flags.trace && flags.seed !== undefined) await printTrace(flags.seed, terminal);
      const one = flags.seed === undefined ? {} : { from: flags.seed, seeds: 1 };
      const { from, seeds, threads } = { ...flags, ...one };
      const result = await runSeeds({
        fromSeed: from,
        seeds,
        threads: Math.min(threads, seeds),
        worker,
        untilFailure: flags.untilFailure === true,
        onProgress: (done, failed) => {
          if (done % PROGRESS_SEEDS === 0) terminal.err(`${done} of ${seeds} seeds, ${failed} failed`);
        },
      });
      for (const line of linesOf(result)) say(line);
      const { shrunk } = result;
      if (flags.json) terminal.out(JSON.stringify({ ...result.report, shrunk: shrunk?.scenario }));
      if (result.report.violations > 0) terminal.exitCode = EXIT_FAILURE;
    });
}

async function printTrace(seed: number, terminal: Terminal): Promise<void> {
  const { runScenario } = await import('../proof/simulation/world/run-scenario.js');
  const { scenarioOf } = await import('../proof/simulation/world/draw-scenario.js');
  const scenario = scenarioOf(seed);
  terminal.out(JSON.stringify(scenario));
  const { trace } = await runScenario(scenario, { trace: true });
  for (const line of trace) terminal.out(line);
}

function linesOf({ report, shrunk }: SeedsResult): string[] {
  const { failing, ...counts } = report;
  const lines = Object.entries(counts).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  for (const { seed, rule, detail } of failing) lines.push(`seed ${seed} broke "${rule}": ${detail}`);
  if (shrunk === undefined) return lines;
  const { seed, scenario, violation, trace } = shrunk;
  const { agents, requests, faults } = scenario;
  return [
    ...lines,
    '',
    `Seed ${seed}, shrunk: ${agents.length} agents, ${requests.length} requests, ${faults.length} faults`,
    ...[...agents, ...requests, ...faults].map((part) => `  ${JSON.stringify(part)}`),
    ...trace.map((line) => `  ${line}`),
    `"${violation?.rule}": ${violation?.detail}`,
    `For the whole trace: kvferry sim --seed ${seed} --trace`,
  ];
}
