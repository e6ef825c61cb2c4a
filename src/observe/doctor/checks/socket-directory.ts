/** The directory where agents of one host meet. */
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('fabric', 'socket-directory');

export function checkSocketDirectory({ system, settings }: Examination): Finding[] {
  if (!settings.provider.includes('same-host')) return [];
  const directory = settings.socketDirectory;
  if (system.mayUse(directory)) return [found.ok(`agents of this host meet in ${directory}`)];
  return [
    found.warning(
      `this process cannot write to ${directory}: the same-host path cannot be had`,
      'choose a directory that all agents of this host see, with --socket-directory',
    ),
  ];
}
