/** `npm run fuzz`: random messages at real agents. */
import { Command, Option } from 'commander';
import { numberBetween } from '../../../src/cli/option-parsers.js';
import { EXIT_FAILURE, processTerminal } from '../../../src/cli/terminal.js';
import { runFuzz } from './run-fuzz.js';

const MESSAGES = 200_000;
const TURN_MS = 50;

interface Flags {
  readonly messages: number;
  readonly seed: number;
  readonly turnMs: number;
  readonly program?: string;
  readonly json?: true;
}

const terminal = processTerminal();
await new Command('fuzz')
  .description('Send right and wrong messages to real agents; check that they live, answer, and serve honest engines.')
  .addOption(new Option('--messages <number>', 'how many').argParser(numberBetween(1, 1e9)).default(MESSAGES))
  .addOption(new Option('--seed <number>', 'for what is random').argParser(numberBetween(0, 2 ** 31)).default(1))
  .addOption(
    new Option(
      '--turn-ms <number>',
      'the longest turn of an event loop that is no fault; code that runs for the first time is slow',
    )
      .argParser(numberBetween(1, 60_000))
      .default(TURN_MS),
  )
  .option('--program <file>', 'fuzz the agents of another build: its dist/src/cli/main.js')
  .option('--json', 'print the result as one JSON object on the last line')
  .action(async ({ messages, seed, turnMs, program, json }: Flags) => {
    const say = json ? terminal.err : terminal.out;
    const report = await runFuzz({ messages, seed, turnMs, program }, say);
    for (const [name, value] of Object.entries(report)) say(`${name}: ${JSON.stringify(value)}`);
    if (json) terminal.out(JSON.stringify(report));
    if (report.broken.length > 0) terminal.exitCode = EXIT_FAILURE;
  })
  .parseAsync();
