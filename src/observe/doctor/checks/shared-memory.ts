/** Checks that arena and staging memory have room in a memory file system. */
import { roundBytes } from '../../../figures/units.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';
import { memoryNeeds, missingBytes } from '../needs.js';

const found = new Findings('memory', 'shared-memory');

export function checkSharedMemory(examination: Examination): Finding[] {
  const { system, settings } = examination;
  const directory = settings.arenaDirectory;
  const fileSystem = system.fileSystem(directory);
  if (fileSystem === undefined) {
    return [
      found.problem(
        `directory ${directory} does not exist`,
        'create it, or choose another directory with --arena-directory',
      ),
    ];
  }
  if (!system.mayUse(directory)) {
    return [found.problem(`this process may not write to ${directory}`, 'run the agent as a user with write access')];
  }
  const { totalBytes, freeBytes, isTmpfs } = fileSystem;
  const needs = memoryNeeds(examination);
  const missing = missingBytes(needs);
  const room = `${directory} has ${roundBytes(totalBytes)}, ${roundBytes(freeBytes)} free`;
  const wanted =
    `the settings need ${roundBytes(needs.arenaBytes)} of arena and ${roundBytes(needs.stagingBytes)} of staging memory` +
    (needs.takenBytes === 0 ? '' : `, of which the running agent has ${roundBytes(needs.takenBytes)}`);
  const findings: Finding[] = [];
  if (missing > freeBytes) {
    findings.push(
      found.problem(
        `${room}; ${wanted}`,
        'make it larger (docker run --shm-size, Kubernetes: an emptyDir with medium Memory, mount -o remount,size=…), ' +
          'or lower --arena-pages or --staging-pages',
      ),
    );
  } else findings.push(found.ok(`${room}; ${wanted}`));
  if (!isTmpfs) {
    findings.push(
      found.warning(
        `${directory} is not a memory file system: its pages are written to a disk`,
        'choose a tmpfs with --arena-directory, usually /dev/shm',
      ),
    );
  }
  return findings;
}
