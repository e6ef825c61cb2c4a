/** The data source of the inspector: a live cluster, or the recording of one agent. */
import { KvferryError } from '../../protocol/errors.js';
import type { Explanation } from '../../protocol/observation.js';
import type { ActorView, ExplanationView, FaultOrder, FaultOutcome } from './feed.js';
import type { History } from './history/history.js';

/** Every field that is set must match. */
export interface ActorQuery {
  readonly agent?: string | undefined;
  readonly machine?: string | undefined;
  readonly request?: string | undefined;
  readonly actor?: string | undefined;
}

export function matchesActor(row: ActorView, { agent, machine, request, actor }: ActorQuery): boolean {
  return (
    (agent === undefined || row.agent === agent) &&
    (machine === undefined || row.machine === machine) &&
    (request === undefined || row.request === request) &&
    (actor === undefined || row.actor === actor)
  );
}

export interface ExplainQuery {
  readonly about: Explanation['about'];
  readonly name: string;
  /** Default: every agent is asked. */
  readonly agent?: string | undefined;
}

export interface Source {
  readonly history: History;
  /** Keeps `history` up to date until the result is closed. */
  watch(): { close(): void };
  /** Resolves when there is data to show, or after a time limit. */
  ready(): Promise<void>;
  /** Live actors, now or at that time. */
  actors(query: ActorQuery, atMs?: number): Promise<ActorView[]>;
  /** For a live cluster, always the current answer. Rejects `invalid_field` for a name that cannot exist. */
  explain(query: ExplainQuery, atMs?: number): Promise<ExplanationView[]>;
  /** Only where faults are allowed. Rejects with the agent's refusal. */
  readonly fault?: ((order: FaultOrder) => Promise<FaultOutcome>) | undefined;
  close(): Promise<void>;
}

/** The `explain` request for an object. Throws `invalid_field`. */
export function questionOf(about: ExplainQuery['about'], name: string) {
  if (about !== 'page') return { [about]: name };
  const page = Number(name);
  if (/^\d+$/.test(name) && Number.isSafeInteger(page)) return { page };
  throw new KvferryError('invalid_field', `${JSON.stringify(name)} is not a page number`, { field: 'name' });
}
