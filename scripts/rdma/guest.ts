/** One guest: a machine of QEMU's that boots a kernel on this host's files, runs the checks and ends. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ChildProcess } from '../../src/processes/child-process.js';
import type { GuestOrder, GuestResult } from '../../test/rdma/order.js';
import { makeInitialFiles } from './initial-files.js';
import type { UnpackedKernel } from './kernel-cache.js';

const MS_PER_MINUTE = 60_000;
const MEMORY_MIB = 3072;
const CPUS = 2;
const KERNEL_ARGUMENTS = [
  'console=ttyS0 quiet loglevel=1 panic=-1',
  // For speed, in a machine that lives for minutes: no protection from other programs, no waits for chance.
  'mitigations=off random.trust_cpu=on nowatchdog',
  // On a busy host the kernel measures its time stamp counter wrongly, and its clock then runs many times too fast.
  'clocksource=hpet tsc=unstable',
].join(' ');

export interface GuestOptions {
  readonly kernel: UnpackedKernel;
  readonly order: GuestOrder;
  /** Root of the repository. */
  readonly root: string;
  /** A directory of the run: the guest writes its results there. */
  readonly directory: string;
  readonly minutes: number;
  readonly say: (line: string) => void;
  /** Ends the guest. */
  readonly signal: AbortSignal;
}

/**
 * Boots the guest and waits for its end. One that left no result, because it did not start or took too long, has failed, with
 * what it printed last. Rejects with the reason of `signal`.
 */
export async function runGuest(options: GuestOptions): Promise<GuestResult> {
  const { kernel, order, root, directory, minutes, say, signal } = options;
  const job = join(directory, 'job');
  mkdirSync(job, { recursive: true });
  const environment = { address: order.address, path: process.env['PATH'], node: process.execPath, checkout: root };
  const lines = Object.entries(environment).map(([name, value]) => `${name}='${value}'\n`);
  writeFileSync(join(job, 'environment'), lines.join(''));
  writeFileSync(join(job, 'order.json'), JSON.stringify(order));
  const archive = join(directory, 'initial-files.cpio');
  makeInitialFiles(kernel, join(root, 'scripts/rdma/start-guest.sh'), join(directory, 'initial-files'), archive);

  const machine = new ChildProcess({
    name: `the guest with kernel ${kernel.release}`,
    command: 'qemu-system-x86_64',
    args: machineArguments(kernel.image, archive, job),
    onLine: (line) => say(line.replaceAll('\r', '')),
  });
  const end = () => void machine.kill();
  const timer = setTimeout(end, minutes * MS_PER_MINUTE);
  signal.addEventListener('abort', end);
  const how = await machine.ended;
  signal.removeEventListener('abort', end);
  clearTimeout(timer);
  signal.throwIfAborted();
  const result = join(job, 'result.json');
  if (existsSync(result)) return JSON.parse(readFileSync(result, 'utf8')) as GuestResult;
  const reason = `the guest ${how}, without a result; its limit is ${minutes} minutes. ${machine.outputTail()}`;
  return { kernel: kernel.release, counters: {}, seconds: {}, broken: [reason] };
}

function machineArguments(image: string, archive: string, job: string): string[] {
  const share = (path: string, tag: string, options: string) => [
    ...['-fsdev', `local,id=${tag},path=${path},security_model=none${options}`],
    ...['-device', `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
  ];
  return [
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio'],
    // Emulation, also where the host could do better: so it is the same machine everywhere.
    ...['-machine', 'q35', '-accel', 'tcg,thread=multi,tb-size=1024', '-cpu', 'max'],
    ...['-smp', `${CPUS}`, '-m', `${MEMORY_MIB}`],
    ...['-kernel', image, '-initrd', archive, '-append', KERNEL_ARGUMENTS],
    ...share('/', 'root', ',readonly=on,multidevs=remap'),
    ...share(job, 'job', ''),
    ...['-device', 'virtio-rng-pci'],
  ];
}
