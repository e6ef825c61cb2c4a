/** The kernels that `npm run test:rdma` boots, and what it takes from each. */
import type { Check } from '../../test/rdma/order.js';

/** A release of Debian's kernel, with the archive's suite that has it. */
export interface Kernel {
  readonly name: string;
  readonly suite: string;
  /** The checks that `--spread` leaves to the other kernel. */
  readonly leaves: readonly Check[];
}

/**
 * One before and one after 6.2, which changed how memory is registered. Each shows faults that the other hides: the old one
 * refuses memory that is not writable, and only where writes work can wrong bytes arrive.
 */
export const kernels: readonly Kernel[] = [
  { name: '6.1', suite: 'bookworm', leaves: ['device', 'demo'] },
  { name: '6.12', suite: 'bookworm-backports', leaves: ['contract', 'lifetime'] },
];

/** The checks of a kernel, of those that are wanted. `spread`: what takes minutes runs on one kernel only. */
export function checksOn(kernel: Kernel, wanted: readonly Check[], spread: boolean): readonly Check[] {
  return spread ? wanted.filter((check) => !kernel.leaves.includes(check)) : wanted;
}

/** Loaded by the guest, with the modules that these need. A module that the kernel has built in is left out. */
export const guestModules: readonly string[] = [
  // The disk, which is a share of the host's root.
  'virtio_pci',
  '9p',
  '9pnet_virtio',
  'overlay',
  // The device: Soft-RoCE on a network of its own.
  'dummy',
  'crc32_generic',
  'rdma_rxe',
  'ib_uverbs',
  'rdma_ucm',
];
