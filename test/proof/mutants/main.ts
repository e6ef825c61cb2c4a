/** `npm run mutants`: plants one realistic defect after the other, and reports which check finds each. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { Command, Option } from 'commander';
import type { StoredMutant } from '../../../scripts/docs/mutants-page.js';
import { numberBetween } from '../../../src/cli/option-parsers.js';
import { EXIT_FAILURE, processTerminal } from '../../../src/cli/terminal.js';
import { checkMutant } from './check-mutant.js';
import type { Mutant } from './mutant.js';
import { mutants } from './mutants.js';
import { reportOf } from './report.js';
import { foundIn, storedRun } from './stored-run.js';

const THREADS_MAX = 64;
const SCORE_MIN = 0.95;

interface Flags {
  readonly only?: string;
  readonly from?: string;
  readonly threads: number;
  readonly shallow?: true;
  readonly store?: true;
  readonly json?: true;
}

const root = process.cwd();
/** The last complete run. docs/mutants.md shows it. */
const stored = join(root, 'docs/mutants/run.json');
const terminal = processTerminal();

await new Command('mutants')
  .description('Plant one realistic defect after the other, and report which check finds each.')
  .option('--only <ids>', 'these mutants, separated by commas')
  .option('--from <file>', 'a stored run: check only the mutants that it has not found')
  .addOption(
    new Option('--threads <count>', 'mutants at the same time')
      .argParser(numberBetween(1, THREADS_MAX))
      .default(availableParallelism()),
  )
  .option('--shallow', 'run only the tests that are near each mutant')
  .option('--store', 'store the outcome for docs/mutants.md')
  .option('--json', 'print the result as one JSON object on the last line')
  .action(async (flags: Flags) => {
    const say = flags.json ? terminal.err : terminal.out;
    const known =
      flags.from === undefined ? [] : foundIn(JSON.parse(readFileSync(flags.from, 'utf8')) as StoredMutant[]);
    const wanted = mutants.filter(
      ({ id, equivalent }) => equivalent === undefined && (flags.only?.split(',').includes(id) ?? true),
    );
    const searches = flags.shallow ? (['near'] as const) : (['near', 'related', 'deep'] as const);
    const clean = await checkMutant(root, undefined, ['near']);
    if (clean.foundBy !== undefined) throw new Error(`the shipped code fails: ${clean.foundBy}`);
    const outcomes = known.filter(({ id }) => wanted.some((one) => one.id === id));
    const rest = wanted.filter(({ id }) => !outcomes.some((outcome) => outcome.id === id));
    await inParallel(rest, flags.threads, async (mutant) => {
      const outcome = await checkMutant(root, mutant, searches);
      outcomes.push(outcome);
      say(`${mutant.id}: ${outcome.foundBy ?? 'SURVIVED'} (${outcome.seconds} s)`);
    });
    const report = reportOf(mutants, outcomes);
    if (flags.store) {
      mkdirSync(dirname(stored), { recursive: true });
      writeFileSync(stored, `${JSON.stringify(storedRun(mutants, outcomes), null, 2)}\n`);
    }
    for (const { id, defect } of report.survivors) say(`survived: ${id}: ${defect}`);
    if (flags.json) terminal.out(JSON.stringify(report));
    if (report.score < SCORE_MIN) terminal.exitCode = EXIT_FAILURE;
  })
  .parseAsync();

async function inParallel(all: readonly Mutant[], threads: number, check: (mutant: Mutant) => Promise<void>) {
  const queue = [...all];
  const lane = async () => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) await check(mutant);
  };
  await Promise.all(Array.from({ length: threads }, lane));
}
