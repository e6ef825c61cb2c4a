/** Answers `inspect`: the actors that run, and the map of the pages. */
import { INSPECT_ACTORS_MAX } from '../../protocol/limits.js';
import { fitting } from '../../protocol/message-room.js';
import type { ActorRow } from '../../protocol/observation.js';
import type { OperationRequest } from '../../protocol/operations.js';
import { ALL_TENANTS, isOf } from '../../protocol/tenants.js';
import type { ObservedActors } from './observed-actors.js';

/** The parts of a message that the rows and the page map may take. */
const ROWS_SHARE = 0.6;
const PAGE_MAP_SHARE = 0.3;

/** Actors of these machines are few and say most about an agent, so they come first. */
const foremost: ReadonlySet<ActorRow['machine']> = new Set(['agent', 'line', 'peer', 'connection', 'group']);

export function inspectActors(
  actors: ObservedActors,
  { actors: limit = INSPECT_ACTORS_MAX, request, actor: name }: Partial<OperationRequest<'inspect'>>,
  messageBytesMax: number,
  tenant = ALL_TENANTS,
): { readonly actors: ActorRow[]; readonly actorsTotal: number } {
  const matching = actors.matching(
    (identity) =>
      isOf(tenant, identity.about.request) &&
      (request === undefined || identity.about.request === request) &&
      (name === undefined || identity.actor === name),
  );
  const isForemost = ({ identity }: (typeof matching)[number]) => foremost.has(identity.machine);
  const ordered = [...matching.filter(isForemost), ...matching.filter((actor) => !isForemost(actor))];
  const rows = ordered.slice(0, limit).map((actor) => actor.row());
  return { actors: fitting(rows, limit, ROWS_SHARE * messageBytesMax), actorsTotal: matching.length };
}

/** The page map, or undefined when it is too long for a message. The page counts of `status` always fit. */
export function shownPageMap(map: string, messageBytesMax: number): string | undefined {
  return map.length > PAGE_MAP_SHARE * messageBytesMax ? undefined : map;
}
