/** Huge pages: what the kernel does for shared memory, and what it keeps back. Never needed; they make registering cheaper. */
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
      ? found.note('transparent huge pages of shared memory: the kernel has none')
      : found.ok(`transparent huge pages of shared memory: ${chosen}; kvferry works with any setting`),
  ];
  if (reserved > 0) {
    findings.push(
      found.note(
        `${roundBytes(reserved)} are reserved as huge pages; arenas lie in a tmpfs and do not use them`,
        'reserve fewer (sysctl vm.nr_hugepages) if nothing else on this machine wants them',
      ),
    );
  }
  return findings;
}
