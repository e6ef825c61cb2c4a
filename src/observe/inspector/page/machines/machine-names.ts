import type { MachineName, machineNames as names } from '../../../../protocol/observation.js';

/** The same names as in the protocol, whose module a browser does not load. */
export const machineNames: typeof names = [
  'agent',
  'line',
  'peer',
  'connection',
  'request',
  'transfer',
  'ingest',
  'group',
  'rank',
];

export function isMachine(name: string): name is MachineName {
  return machineNames.some((machine) => machine === name);
}
