/** Checks the version of Node. The program and its libraries need a recent one. */
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

/** `engines.node` of package.json; a test compares them. */
export const NODE_OLDEST = '20.19';

const found = new Findings('program', 'node-version');

export function checkNodeVersion({ system, version }: Examination): Finding[] {
  const [major = 0, minor = 0] = numbers(system.nodeVersion);
  const [oldestMajor = 0, oldestMinor = 0] = numbers(NODE_OLDEST);
  const isNewEnough = major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
  if (isNewEnough) return [found.ok(`kvferry ${version} on Node ${system.nodeVersion}`)];
  return [
    found.problem(`Node ${system.nodeVersion} is older than ${NODE_OLDEST}`, `install Node ${NODE_OLDEST} or later`),
  ];
}

function numbers(version: string): number[] {
  return version.replace(/^v/, '').split('.').map(Number);
}
