/** Where the inspector has what it shows from: a cluster that lives, or what one agent has recorded. */
import { KvferryError } from '../../protocol/errors.js';
import type { Explanation } from '../../protocol/observation.js';
import type { ActorView, ExplanationView, FaultOrder, FaultOutcome } from './feed.js';
import type { History } from './history/history.js';

/** All that is set must match. */
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
  /** Somebody looks: `history` is kept up to date until this is closed. */
  watch(): { close(): void };
  /** Resolves when something can be shown, or when that takes too long. */
  ready(): Promise<void>;
  /** Live actors as they are now, or were then. */
  actors(query: ActorQuery, atMs?: number): Promise<ActorView[]>;
  /** Of a cluster that lives, always now. Rejects `invalid_field` when there can be nothing of that name. */
  explain(query: ExplainQuery, atMs?: number): Promise<ExplanationView[]>;
  /** Only where faults are allowed. Rejects with what the agent says against it. */
  readonly fault?: ((order: FaultOrder) => Promise<FaultOutcome>) | undefined;
  close(): Promise<void>;
}

/** What to ask an agent to have something explained. Throws `invalid_field`. */
export function questionOf(about: ExplainQuery['about'], name: string) {
  if (about !== 'page') return { [about]: name };
  const page = Number(name);
  if (/^\d+$/.test(name) && Number.isSafeInteger(page)) return { page };
  throw new KvferryError('invalid_field', `${JSON.stringify(name)} is not the number of a page`, { field: 'name' });
}
