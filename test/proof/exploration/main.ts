/** `npm run explore`: everything that can happen between two senders and a receiver, within small bounds. */
import { Command, Option } from 'commander';
import { numberBetween } from '../../../src/cli/option-parsers.js';
import { EXIT_FAILURE, processTerminal } from '../../../src/cli/terminal.js';
import { configurations } from './configurations.js';
import { type Exploration, explore } from './explorer.js';

const MS_PER_SECOND = 1000;
const STATES_MAX = 2 ** 31;

interface Flags {
  readonly json?: true;
  readonly only?: string;
  readonly statesMax?: number;
}

const terminal = processTerminal();
await new Command('explore')
  .description('Visit every situation that two requests can get into, and check each.')
  .option('--json', 'print the result as one JSON object on the last line')
  .addOption(new Option('--only <name>', 'explore this configuration only').choices(Object.keys(configurations)))
  .addOption(
    new Option('--states-max <number>', 'leave a configuration at so many states').argParser(
      numberBetween(1, STATES_MAX),
    ),
  )
  .action(({ json, only, statesMax }: Flags) => {
    const say = json ? terminal.err : terminal.out;
    const explored: Record<string, Exploration & { readonly seconds: number }> = {};
    for (const [name, configuration] of Object.entries(configurations)) {
      if (only !== undefined && name !== only) continue;
      const startedMs = performance.now();
      const exploration = explore(configuration, { statesMax });
      const seconds = Math.round(performance.now() - startedMs) / MS_PER_SECOND;
      explored[name] = { ...exploration, seconds };
      sayOne(say, name, exploration, seconds);
    }
    const all = Object.values(explored);
    const total = {
      states: all.reduce((sum, { states }) => sum + states, 0),
      violations: all.filter(({ violation }) => violation !== undefined).length,
      transitions: all.reduce((sum, { transitions }) => sum + transitions, 0),
      longestTrace: Math.max(...all.map(({ longestTrace }) => longestTrace)),
    };
    say(`${total.states} states, ${total.transitions} transitions, ${total.violations} violations`);
    if (json) terminal.out(JSON.stringify({ ...total, configurations: explored }));
    if (total.violations > 0) terminal.exitCode = EXIT_FAILURE;
  })
  .parseAsync();

function sayOne(say: (text: string) => void, name: string, exploration: Exploration, seconds: number): void {
  const { states, transitions, longestTrace, complete, violation } = exploration;
  const counts = `${states} states, ${transitions} transitions, longest trace ${longestTrace}, ${seconds} s`;
  say(`${name}: ${counts}${complete || violation !== undefined ? '' : ', not complete'}`);
  if (violation === undefined) return;
  say(`  ${violation.what}, after ${violation.trace.length} steps:`);
  for (const [index, step] of violation.trace.entries()) say(`  ${index + 1}. ${step}`);
}
