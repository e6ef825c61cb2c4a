/** `npm run test:rdma`: boots Debian's kernels with a software RDMA device, and runs the checks over verbs on each. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { numberBetween } from '../../src/cli/option-parsers.js';
import { EXIT_FAILURE, processTerminal } from '../../src/cli/terminal.js';
import { type Check, checks } from '../../test/rdma/order.js';
import { CannotSetUp } from './cannot-set-up.js';
import { runGuest } from './guest.js';
import { unpackedKernel } from './kernel-cache.js';
import { type Kernel, kernels } from './kernels.js';
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
  readonly json?: true;
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
      .default(10),
  )
  .option('--json', 'print the result as one JSON object on the last line')
  .action(run)
  .parseAsync();

async function run(flags: Flags): Promise<void> {
  const say = flags.json ? terminal.err : terminal.out;
  try {
    await requireHost(root);
    const summaries: KernelSummary[] = [];
    for (const kernel of kernels) {
      if (flags.kernel === undefined || flags.kernel === kernel.name) summaries.push(await check(kernel, flags, say));
    }
    const summary = summaryOfAll(summaries);
    for (const what of summary.broken) say(`broken: ${what}`);
    if (flags.json) terminal.out(JSON.stringify(summary));
    if (summary.broken.length > 0) terminal.exitCode = EXIT_FAILURE;
  } catch (error) {
    if (!(error instanceof CannotSetUp)) throw error;
    terminal.err(`test:rdma cannot be set up: ${error.message}`);
    terminal.exitCode = EXIT_CANNOT_SET_UP;
  }
}

async function check(kernel: Kernel, flags: Flags, say: (line: string) => void): Promise<KernelSummary> {
  const unpacked = unpackedKernel(kernel, say);
  const directory = mkdtempSync(join(tmpdir(), 'kvferry-rdma-'));
  const order = { checks: flags.only, address: ADDRESS, patience: flags.patience };
  say(`booting kernel ${unpacked.release} with rxe0 at ${ADDRESS}`);
  const startMs = performance.now();
  try {
    const result = await runGuest({ kernel: unpacked, order, root, directory, minutes: flags.minutes, say });
    const summary = summaryOf(result);
    say(`kernel ${summary.kernel}: ${Math.round((performance.now() - startMs) / 1000)} s`);
    for (const [name, count] of Object.entries(result.counters)) say(`  ${name} ${count}`);
    return summary;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
