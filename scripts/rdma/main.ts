/** `npm run test:rdma`: boots Debian's kernels with a software RDMA device, and runs the checks over verbs on each. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { processInterrupts } from '../../src/cli/interrupts.js';
import { numberBetween } from '../../src/cli/option-parsers.js';
import { EXIT_FAILURE, processTerminal } from '../../src/cli/terminal.js';
import { type Check, checks, type GuestOrder } from '../../test/rdma/order.js';
import { CannotSetUp } from '../debian/cannot-set-up.js';
import { runGuest } from './guest.js';
import { type UnpackedKernel, unpackedKernel } from './kernel-cache.js';
import { checksOn, kernels } from './kernels.js';
import { requireHost } from './requirements.js';
import { type KernelSummary, summaryOf, summaryOfAll } from './summary.js';

const EXIT_CANNOT_SET_UP = 2;
/** Address of the device, on a network that only the guest has. */
const ADDRESS = '10.77.0.1';

interface Flags {
  readonly kernel?: string;
  readonly only: readonly Check[];
  readonly minutes: number;
  readonly patience: number;
  readonly oneByOne?: true;
  readonly spread?: true;
  readonly json?: true;
}

interface Job {
  readonly kernel: UnpackedKernel;
  readonly order: GuestOrder;
}

const root = process.cwd();
const terminal = processTerminal();

await new Command('test:rdma')
  .description('Boot Debian kernels with a software RDMA device in QEMU, and check kvferry over verbs on each.')
  .addOption(new Option('--kernel <version>', 'only this kernel').choices(kernels.map(({ name }) => name)))
  .addOption(new Option('--only <checks...>', 'only these checks').choices(checks).default(checks, 'all'))
  .addOption(
    new Option('--minutes <count>', 'end a guest that takes longer').argParser(numberBetween(1, 1000)).default(30),
  )
  .addOption(
    new Option('--patience <factor>', 'factor of every limit of time in the guest')
      .argParser(numberBetween(1, 1000))
      .default(20),
  )
  .option('--one-by-one', 'boot one guest after the other; by default each has 3 GiB of memory at the same time')
  .option('--spread', 'run contract and lifetime on kernel 6.1 only, device and demo on 6.12 only: for half the time')
  .option('--json', 'print the result as one JSON object on the last line')
  .action(run)
  .parseAsync();

async function run(flags: Flags): Promise<void> {
  const say = flags.json ? terminal.err : terminal.out;
  const interrupts = processInterrupts();
  try {
    await requireHost(root);
    const wanted = kernels.filter(({ name }) => flags.kernel === undefined || flags.kernel === name);
    const jobs = wanted.map((one) => ({
      kernel: unpackedKernel(one, say),
      order: { checks: checksOn(one, flags.only, flags.spread ?? false), address: ADDRESS, patience: flags.patience },
    }));
    const checked = (job: Job) =>
      check(job, flags.minutes, (line) => say(`${job.kernel.release}: ${line}`), interrupts.signal);
    const summaries = flags.oneByOne ? await inTurns(jobs, checked) : await Promise.all(jobs.map(checked));
    const summary = summaryOfAll(summaries);
    for (const what of summary.broken) say(`broken: ${what}`);
    if (flags.json) terminal.out(JSON.stringify(summary));
    if (summary.broken.length > 0) terminal.exitCode = EXIT_FAILURE;
  } catch (error) {
    const cannotSetUp = error instanceof CannotSetUp;
    if (!cannotSetUp && !interrupts.signal.aborted) throw error;
    terminal.err(`test:rdma ${cannotSetUp ? 'cannot be set up' : 'did not finish'}: ${(error as Error).message}`);
    terminal.exitCode = cannotSetUp ? EXIT_CANNOT_SET_UP : EXIT_FAILURE;
  } finally {
    interrupts.dispose();
  }
}

async function inTurns<T, R>(all: readonly T[], each: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const one of all) results.push(await each(one));
  return results;
}

async function check(
  { kernel, order }: Job,
  minutes: number,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<KernelSummary> {
  const directory = mkdtempSync(join(tmpdir(), 'kvferry-rdma-'));
  say(`booting, with the device rxe0 at ${ADDRESS}`);
  const startMs = performance.now();
  try {
    const result = await runGuest({ kernel, order, root, directory, minutes, say, signal });
    const summary = summaryOf(result);
    say(`${Math.round((performance.now() - startMs) / 1000)} s; the device counted ${JSON.stringify(result.counters)}`);
    return summary;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
