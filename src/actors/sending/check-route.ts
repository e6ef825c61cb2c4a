/** Checks a `route` against the request that it names. Changes nothing; throws the refusal. */
import { invalidField, KvferryError } from '../../protocol/errors.js';
import type { Ranks } from '../../protocol/fields.js';
import type { OperationRequest } from '../../protocol/operations.js';
import { checkLength, checkRanks } from './check-put.js';
import type { RequestActor } from './request-actor.js';
import { chunksToSend, type Route } from './request-task.js';

/**
 * Whether an earlier `route`, or the `put` itself, has named the same receiver, and skipped no other chunks: then there is nothing
 * to do. Throws `already_routed` when it was sent otherwise.
 */
export function isRouted({ task, route }: RequestActor, asked: OperationRequest<'route'>): boolean {
  if (route === undefined) return false;
  const difference = differenceOf(route, asked);
  if (difference === undefined) return true;
  const message = `request ${task.request} was already routed ${difference}: it is sent once, as the first route says`;
  throw new KvferryError('already_routed', message, { field: 'receiver', details: { receiver: route.peer.agent } });
}

/** How the request was routed, if not as it is asked for. */
function differenceOf(
  { peer, ranks, skip }: Route,
  asked: Pick<OperationRequest<'route'>, 'receiver' | 'ranks' | 'skip'>,
): string | undefined {
  const text = (one: Ranks | undefined) => JSON.stringify(one);
  if (peer.agent !== asked.receiver) return `to agent ${peer.agent}`;
  if (text(ranks) !== text(asked.ranks)) return 'with other ranks';
  return skip > asked.skip ? `without its first ${skip} chunks` : undefined;
}

/** Throws `invalid_field` when the chunks that were put, or the ranks, do not fit the receiver, and `request_too_large`. */
export function checkRoute(agent: string, request: RequestActor, route: Route): void {
  const { peer, ranks, skip } = route;
  if (ranks !== undefined) checkRanks(ranks, agent, peer.agent);
  checkLength(request.longestChunk, peer.arena.pageBytes, 'receiver');
  const { request: name, totalChunks } = request.task;
  if (skip > 0 && skip >= totalChunks) {
    throw invalidField('skip', `request ${name} has ${totalChunks} chunks, and skip leaves none of them: cancel it`);
  }
  const chunks = chunksToSend(request.task, route);
  const { pages } = peer.arena;
  if (chunks <= pages) return;
  const message = `request ${name} has ${chunks} chunks to send, and agent ${peer.agent} has ${pages} pages`;
  throw new KvferryError(
    'request_too_large',
    `${message}: name another receiver, or start that one with more --arena-pages`,
    { field: 'receiver' },
  );
}
