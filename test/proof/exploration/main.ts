/** `npm run explore`: explores all behaviour of two senders and a receiver within small bounds. */
import { availableParallelism } from 'node:os';
import { Command, Option } from 'commander';
import { numberBetween } from '../../../src/cli/option-parsers.js';
import { EXIT_FAILURE, processTerminal } from '../../../src/cli/terminal.js';
import { configurations } from './configurations.js';
import { type Explored, exploreAll } from './explore-all.js';

const STATES_MAX = 2 ** 31;
const THREADS_MAX = 256;

interface Flags {
  readonly json?: true;
  readonly only?: string;
  readonly statesMax?: number;
  readonly threads: number;
}

const terminal = processTerminal();
const number = (flags: string, description: string, max: number) =>
  new Option(flags, description).argParser(numberBetween(1, max));

await new Command('explore')
  .description('Visit every situation that two requests can get into, and check each.')
  .option('--json', 'print the result as one JSON object on the last line')
  .addOption(new Option('--only <name>', 'explore this configuration only').choices(Object.keys(configurations)))
  .addOption(number('--states-max <number>', 'leave a configuration at so many states', STATES_MAX))
  .addOption(number('--threads <count>', 'threads', THREADS_MAX).default(availableParallelism()))
  .action(async ({ json, only, statesMax, threads }: Flags) => {
    const say = json ? terminal.err : terminal.out;
    const names = only === undefined ? Object.keys(configurations) : [only];
    const all = await exploreAll(names, { threads, statesMax }, (explored) => sayOne(say, explored));
    const total = {
      states: all.reduce((sum, { states }) => sum + states, 0),
      violations: all.filter(({ violation }) => violation !== undefined).length,
      transitions: all.reduce((sum, { transitions }) => sum + transitions, 0),
      longestTrace: Math.max(...all.map(({ longestTrace }) => longestTrace)),
    };
    say(`${total.states} states, ${total.transitions} transitions, ${total.violations} violations`);
    const byName = Object.fromEntries(all.map(({ name, ...explored }) => [name, explored]));
    if (json) terminal.out(JSON.stringify({ ...total, configurations: byName }));
    if (total.violations > 0) terminal.exitCode = EXIT_FAILURE;
  })
  .parseAsync();

function sayOne(say: (text: string) => void, explored: Explored): void {
  const { name, states, transitions, longestTrace, seconds, complete, violation } = explored;
  const counts = `${states} states, ${transitions} transitions, longest trace ${longestTrace}, ${seconds} s`;
  say(`${name}: ${counts}${complete || violation !== undefined ? '' : ', not complete'}`);
  if (violation === undefined) return;
  say(`  ${violation.what}, after ${violation.trace.length} steps:`);
  for (const [index, step] of violation.trace.entries()) say(`  ${index + 1}. ${step}`);
}
