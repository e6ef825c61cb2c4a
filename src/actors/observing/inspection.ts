/** What `inspect` answers: the actors that run, and the map of the pages. */
import { INSPECT_ACTORS_MAX, MESSAGE_BYTES_MAX } from '../../protocol/limits.js';
import type { ActorRow } from '../../protocol/observation.js';
import type { OperationRequest } from '../../protocol/operations.js';
import type { ObservedActors } from './observed-actors.js';

/** Rows, and the map, may take so many bytes each: together they stay below `MESSAGE_BYTES_MAX`. */
const ROWS_BYTES_MAX = MESSAGE_BYTES_MAX / 2;
const PAGE_MAP_BYTES_MAX = MESSAGE_BYTES_MAX / 4;

/** These are few, and say most about an agent. */
const foremost: ReadonlySet<ActorRow['machine']> = new Set(['agent', 'peer', 'group']);

export function inspectActors(
  actors: ObservedActors,
  { actors: limit = INSPECT_ACTORS_MAX, request, actor }: Partial<OperationRequest<'inspect'>>,
): { readonly actors: ActorRow[]; readonly actorsTotal: number } {
  const matching = actors.matching(
    (identity) =>
      (request === undefined || identity.about.request === request) &&
      (actor === undefined || identity.actor === actor),
  );
  const isForemost = ({ identity }: (typeof matching)[number]) => foremost.has(identity.machine);
  const ordered = [...matching.filter(isForemost), ...matching.filter((live) => !isForemost(live))];
  const rows: ActorRow[] = [];
  let bytes = 0;
  for (const live of ordered.slice(0, limit)) {
    const row = live.row();
    bytes += JSON.stringify(row).length;
    if (bytes > ROWS_BYTES_MAX) break;
    rows.push(row);
  }
  return { actors: rows, actorsTotal: matching.length };
}

/** Undefined when it is too long for a message: then the counts must do. */
export function shownPageMap(map: string): string | undefined {
  return map.length > PAGE_MAP_BYTES_MAX ? undefined : map;
}
