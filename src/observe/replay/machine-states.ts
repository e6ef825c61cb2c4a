/** The state of every machine of an agent, from its `status`: one line each, by name. */
import type { StatusReply } from '../../protocol/operations.js';

export type MachineStates = ReadonlyMap<string, string>;

export function machineStates(status: StatusReply): MachineStates {
  const states = new Map([[`agent ${status.agent}`, status.state]]);
  for (const { agent, epoch, side, state, provider } of status.peers) {
    states.set(`${side} ${agent}/${epoch}`, provider === undefined ? state : `${state}, ${provider}`);
  }
  for (const { request, epoch, side, state, batches, chunks, end } of status.requests) {
    const counts = `${batches} batches, ${chunks} chunks`;
    states.set(`request ${epoch}/${request} (${side})`, `${state}, ${counts}${end === undefined ? '' : `, ${end}`}`);
  }
  for (const { segment, chunksInUse } of status.segments) states.set(`segment ${segment}`, `${chunksInUse} in use`);
  if (status.pages !== undefined) states.set('pages', countsOf(status.pages));
  if (status.staging !== undefined) states.set('staging', countsOf(status.staging));
  if (status.queued > 0) states.set('queue', `${status.queued} requests wait for pages`);
  return states;
}

/** The changed states, one line each: `pages: 8 free → 6 free, 2 writing`. */
export function changesBetween(before: MachineStates, after: MachineStates): string[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].flatMap((name) => {
    const [was, is] = [before.get(name), after.get(name)];
    if (was === is) return [];
    if (was === undefined) return [`${name}: ${is}`];
    return [`${name}: ${was} → ${is ?? 'gone'}`];
  });
}

function countsOf(counts: Readonly<Record<string, number>>): string {
  const named = Object.entries(counts).filter(([name, count]) => count > 0 && name !== 'total');
  return named.map(([name, count]) => `${count} ${name}`).join(', ');
}
