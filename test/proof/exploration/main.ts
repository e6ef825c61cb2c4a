/** `npm run explore`: explores all behaviour of small worlds. */
import { availableParallelism } from 'node:os';
import { Command, Option } from 'commander';
import { numberBetween } from '../../../src/cli/option-parsers.js';
import { EXIT_FAILURE, processTerminal } from '../../../src/cli/terminal.js';
import { type Explored, exploreAll } from './explore-all.js';
import { faultKinds, pairsOf } from './faults.js';
import { shortNames, worlds } from './worlds.js';

const STATES_MAX = 2 ** 31;
/** A world with more states is left. Its states fit into 2 GiB of memory. */
const STATES_DEFAULT = 4_000_000;
const THREADS_MAX = 256;

interface Flags {
  readonly json?: true;
  readonly all?: true;
  readonly only?: string;
  readonly statesMax: number;
  readonly threads: number;
}

const terminal = processTerminal();
const number = (flags: string, description: string, max: number) =>
  new Option(flags, description).argParser(numberBetween(1, max));

await new Command('explore')
  .description('Visit every situation that small worlds can get into, and check each.')
  .option('--json', 'print the result as one JSON object on the last line')
  .option('--all', 'explore the long list too')
  .addOption(new Option('--only <name>', 'explore this world only').choices(Object.keys(worlds)))
  .addOption(number('--states-max <number>', 'leave a world at so many states', STATES_MAX).default(STATES_DEFAULT))
  .addOption(number('--threads <count>', 'threads', THREADS_MAX).default(availableParallelism()))
  .action(async ({ json, all: isAll, only, statesMax, threads }: Flags) => {
    const say = json ? terminal.err : terminal.out;
    const names = only === undefined ? (isAll ? Object.keys(worlds) : shortNames) : [only];
    const all = await exploreAll(names, { threads, statesMax }, (explored) => sayOne(say, explored));
    const total = {
      worlds: all.length,
      states: all.reduce((sum, { states }) => sum + states, 0),
      violations: all.filter(({ violation }) => violation !== undefined).length,
      transitions: all.reduce((sum, { transitions }) => sum + transitions, 0),
      longestTrace: Math.max(...all.map(({ longestTrace }) => longestTrace)),
      pairs: sumOfPairs(all),
    };
    const { states, transitions, violations } = total;
    say(`${names.length} worlds, ${states} states, ${transitions} transitions, ${violations} violations`);
    const byName = Object.fromEntries(all.map(({ name, ...explored }) => [name, explored]));
    if (json) terminal.out(JSON.stringify({ ...total, byWorld: byName }));
    if (total.violations > 0) terminal.exitCode = EXIT_FAILURE;
  })
  .parseAsync();

/** For each pair of fault kinds, the number of states in which both have happened. */
function sumOfPairs(all: readonly Explored[]): Record<string, number> {
  const sum = (pair: string) => all.reduce((total, { pairs }) => total + (pairs[pair] ?? 0), 0);
  return Object.fromEntries(pairsOf(faultKinds).map((pair) => [pair, sum(pair)]));
}

function sayOne(say: (text: string) => void, explored: Explored): void {
  const { name, states, transitions, longestTrace, seconds, complete, violation } = explored;
  const counts = `${states} states, ${transitions} transitions, longest trace ${longestTrace}, ${seconds} s`;
  say(`${name}: ${counts}${complete || violation !== undefined ? '' : ', not complete'}`);
  if (violation === undefined) return;
  say(`  ${violation.what}, after ${violation.trace.length} steps:`);
  for (const [index, step] of violation.trace.entries()) say(`  ${index + 1}. ${step}`);
}
