/** Huge pages: the kernel's setting for shared memory, and the reserved pages. They are optional and make registration cheaper. */
import { roundBytes } from '../../../figures/units.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';
import { meminfo } from './memory.js';

const found = new Findings('memory', 'huge-pages');
const SHARED_MEMORY = '/sys/kernel/mm/transparent_hugepage/shmem_enabled';

export function checkHugePages({ system }: Examination): Finding[] {
  // `always within_size [advise] never deny force`
  const chosen = /\[(\w+)\]/.exec(system.read(SHARED_MEMORY) ?? '')?.[1];
  const reserved = (meminfo(system, 'HugePages_Total') ?? 0) * (meminfo(system, 'Hugepagesize') ?? 0);
  const findings = [
    chosen === undefined
      ? found.note('the kernel has no transparent huge pages for shared memory')
      : found.ok(`transparent huge pages of shared memory: ${chosen}; kvferry works with any setting`),
  ];
  if (reserved > 0) {
    findings.push(
      found.note(
        `${roundBytes(reserved)} are reserved as huge pages; arenas are in a tmpfs and do not use them`,
        'reserve fewer (sysctl vm.nr_hugepages) if no other program on this machine needs them',
      ),
    );
  }
  return findings;
}
