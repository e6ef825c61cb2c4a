/** The directory of the Unix sockets between agents on one host. */
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('fabric', 'socket-directory');

export function checkSocketDirectory({ system, settings }: Examination): Finding[] {
  if (!settings.provider.includes('same-host')) return [];
  const directory = settings.socketDirectory;
  if (system.mayUse(directory)) return [found.ok(`agents on this host connect in ${directory}`)];
  return [
    found.warning(
      `this process cannot write to ${directory}, so same-host is not available`,
      'choose a directory that all agents on this host can use with --socket-directory',
    ),
  ];
}
