/** How many files an agent may have open. */
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';
import { limitOf } from '../limits.js';

const found = new Findings('machine', 'open-files');
/** Each peer has some sockets, each segment and grant a file or two. */
const FILES_WANTED = 4096;

export function checkOpenFiles({ system }: Examination): Finding[] {
  const limit = limitOf(system, 'Max open files');
  if (limit === undefined) return [found.note('the limit of open files cannot be read')];
  if (limit === Number.POSITIVE_INFINITY) return [found.ok('files may be opened without limit')];
  if (limit >= FILES_WANTED) return [found.ok(`${limit} files may be open`)];
  return [
    found.warning(
      `only ${limit} files may be open; every peer and every segment needs some`,
      `allow ${FILES_WANTED} or more: LimitNOFILE= (systemd), --ulimit nofile= (docker), ulimit -n`,
    ),
  ];
}
