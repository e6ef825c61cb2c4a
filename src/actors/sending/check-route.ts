/** Checks a `route` against the request that it names. Changes nothing; throws the refusal. */
import { KvferryError } from '../../protocol/errors.js';
import type { OperationRequest } from '../../protocol/operations.js';
import type { ReceiverPeer } from '../peers/receiver-peer.js';
import { checkLength, checkRanks } from './check-put.js';
import type { RequestActor } from './request-actor.js';

/**
 * Whether an earlier `route`, or the `put` itself, has named the same receiver: then there is nothing to do. Throws
 * `already_routed` when it has named another one.
 */
export function isRouted({ task, route }: RequestActor, { receiver, ranks }: OperationRequest<'route'>): boolean {
  if (route === undefined) return false;
  const { agent } = route.peer;
  const [named, asked] = [route.ranks, ranks].map((one) => JSON.stringify(one));
  if (agent === receiver && named === asked) return true;
  const other = agent === receiver ? `with other ranks` : `to agent ${agent}`;
  const message = `request ${task.request} was already routed ${other}: it is sent once, to the first receiver`;
  throw new KvferryError('already_routed', message, { field: 'receiver', details: { receiver: agent } });
}

/** Throws `invalid_field` when the chunks that were put, or the ranks, do not fit the receiver, and `request_too_large`. */
export function checkRoute(
  agent: string,
  request: RequestActor,
  peer: ReceiverPeer,
  ranks: OperationRequest<'route'>['ranks'],
): void {
  if (ranks !== undefined) checkRanks(ranks, agent, peer.agent);
  checkLength(request.longestChunk, peer.arena.pageBytes, 'receiver');
  const { totalChunks } = request.task;
  const { pages } = peer.arena;
  if (totalChunks <= pages) return;
  const message = `request ${request.task.request} has ${totalChunks} chunks, and agent ${peer.agent} has ${pages} pages`;
  throw new KvferryError('request_too_large', `${message}: name another receiver`, { field: 'receiver' });
}
