/** The limit of open files. */
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';
import { limitOf } from '../limits.js';

const found = new Findings('machine', 'open-files');
/** A peer takes some sockets; a segment or grant takes a file or two. */
const FILES_WANTED = 4096;

export function checkOpenFiles({ system }: Examination): Finding[] {
  const limit = limitOf(system, 'Max open files');
  if (limit === undefined) return [found.note('the limit of open files cannot be read')];
  if (limit === Number.POSITIVE_INFINITY) return [found.ok('open files are not limited')];
  if (limit >= FILES_WANTED) return [found.ok(`the limit of open files is ${limit}`)];
  return [
    found.warning(
      `the limit of open files is only ${limit}; every peer and every segment needs some`,
      `raise it to ${FILES_WANTED} or more: LimitNOFILE= (systemd), --ulimit nofile= (docker), ulimit -n`,
    ),
  ];
}
