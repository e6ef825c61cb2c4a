/** `npm run test:rolling`: every agent and every NATS server is replaced under load. */
import { Command, Option } from 'commander';
import { numberBetween } from '../../../src/cli/option-parsers.js';
import { EXIT_FAILURE, processTerminal } from '../../../src/cli/terminal.js';
import { runRolling } from './run-rolling.js';

const ROUNDS = 2;
const ATTEMPTS = 5;
const STEP_MS = [0, 60] as const;

interface Flags {
  readonly rounds: number;
  readonly seed: number;
  readonly logs?: string;
  readonly json?: true;
}

const terminal = processTerminal();
await new Command('rolling')
  .description('Replace every agent and every NATS server in turn, under load; check that no request is lost.')
  .addOption(new Option('--rounds <number>', 'how often').argParser(numberBetween(1, 1000)).default(ROUNDS))
  .addOption(new Option('--seed <number>', 'for what is random').argParser(numberBetween(0, 2 ** 31)).default(1))
  .option('--logs <directory>', 'keep the logs of agents and NATS servers there')
  .option('--json', 'print the result as one JSON object on the last line')
  .action(async ({ rounds, seed, logs, json }: Flags) => {
    const say = json ? terminal.err : terminal.out;
    const report = await runRolling(
      { rounds, seed, ending: 'SIGTERM', attempts: ATTEMPTS, stepMs: STEP_MS, withNats: true, logDirectory: logs },
      say,
    );
    for (const [name, value] of Object.entries(report)) say(`${name}: ${JSON.stringify(value)}`);
    if (json) terminal.out(JSON.stringify(report));
    if (report.violations.length > 0) terminal.exitCode = EXIT_FAILURE;
  })
  .parseAsync();
