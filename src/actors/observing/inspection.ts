/** Answers `inspect`: the actors that run, and the map of the pages. */
import { INSPECT_ACTORS_MAX, MESSAGE_BYTES_MAX } from '../../protocol/limits.js';
import type { ActorRow } from '../../protocol/observation.js';
import type { OperationRequest } from '../../protocol/operations.js';
import type { ObservedActors } from './observed-actors.js';

/** The rows and the page map may take this many bytes each. Together they stay below `MESSAGE_BYTES_MAX`. */
const ROWS_BYTES_MAX = MESSAGE_BYTES_MAX / 2;
const PAGE_MAP_BYTES_MAX = MESSAGE_BYTES_MAX / 4;

/** Actors of these machines are few and say most about an agent, so they come first. */
const foremost: ReadonlySet<ActorRow['machine']> = new Set(['agent', 'line', 'peer', 'connection', 'group']);

export function inspectActors(
  actors: ObservedActors,
  { actors: limit = INSPECT_ACTORS_MAX, request, actor: name }: Partial<OperationRequest<'inspect'>>,
): { readonly actors: ActorRow[]; readonly actorsTotal: number } {
  const matching = actors.matching(
    (identity) =>
      (request === undefined || identity.about.request === request) && (name === undefined || identity.actor === name),
  );
  const isForemost = ({ identity }: (typeof matching)[number]) => foremost.has(identity.machine);
  const ordered = [...matching.filter(isForemost), ...matching.filter((actor) => !isForemost(actor))];
  const rows: ActorRow[] = [];
  let bytes = 0;
  for (const actor of ordered.slice(0, limit)) {
    const row = actor.row();
    bytes += JSON.stringify(row).length;
    if (bytes > ROWS_BYTES_MAX) break;
    rows.push(row);
  }
  return { actors: rows, actorsTotal: matching.length };
}

/** The page map, or undefined when it is too long for a message. The page counts of `status` always fit. */
export function shownPageMap(map: string): string | undefined {
  return map.length > PAGE_MAP_BYTES_MAX ? undefined : map;
}
