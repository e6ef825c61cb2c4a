/**
 * The store: the rules of the arena. Which pages are free, which keys are in which pages, who holds a lease, who waits.
 * The store is pure. `execute` takes one command and the time, and returns the reply and the effects. It never waits, and
 * nothing that one command has decided is used by a later command without a new lookup (P3). The store actor
 * (`src/actors/receiving/store-actor.ts`) is the only owner of a store.
 *
 * Who owns what:
 * - An *entry* is one key in the arena. It owns exactly one page, which is `writing` until its bytes are committed (P1).
 * - A *lease* is the pair (holder, entry), recorded once on each side. Leases are a set: a second release changes nothing
 *   (P4). A ready entry without a lease is retained as cache, if that is configured; otherwise its page is freed (S8).
 * - The *quarantine* owns the pages of writers that gave up while a write might land, until they are drained or fenced (P5).
 *   No refusal and no repetition of a message frees a page: only the proof that no write can reach it does.
 * - An entry whose writer gave up is *handed over*: a request that had joined it writes it again, to another page (P2).
 * - A *grant* (remote key) binds pages, not requests. A page is bound to the newest grant of its writer at the moment when the
 *   page is given: when the batch is admitted, or when the chunk is handed over. The effect names the grant. The sender writes
 *   the page under this grant only, so the page is safe when the grant is revoked. A batch that waits is bound to nothing. A
 *   batch whose grant is revoked before it is written is bound to the next one, when its sender asks for it again.
 */
import type { PageCounts } from '../protocol/fields.js';
import { brokenInvariant, checkCounts, checkOwners } from './checks.js';
import { acquire } from './commands/acquire.js';
import { admitUnit } from './commands/admit-unit.js';
import { allocate } from './commands/allocate.js';
import { commit } from './commands/commit.js';
import { drained } from './commands/drained.js';
import { endRequest } from './commands/end.js';
import { expire } from './commands/expire.js';
import { fence, grant } from './commands/grant.js';
import { decline } from './commands/hand-over.js';
import { release } from './commands/release.js';
import { settle } from './commands/settle.js';
import { describe, type StoreDescription } from './description.js';
import type { HolderId } from './holder.js';
import type { CommandOf, ReplyOf, StoreCommand, StoreEffect, StoreReplies } from './messages.js';
import type { StoreOptions } from './options.js';
import { OwnerAudit } from './owner-audit.js';
import { StoreState } from './state.js';
import type { Tombstone } from './tombstones.js';
import type { Trail } from './trail.js';
import { StoreView } from './view.js';

/** The reply to a command, and what its owner must do next. */
export interface StoreResult<C extends StoreCommand> {
  readonly reply: ReplyOf<C['type']>;
  readonly effects: readonly StoreEffect[];
}

type Replying = keyof StoreReplies;
type Silent = Exclude<StoreCommand['type'], Replying>;
type Commands = { readonly [T in Replying]: (state: StoreState, command: CommandOf<T>) => StoreReplies[T] } & {
  readonly [T in Silent]: (state: StoreState, command: CommandOf<T>) => void;
};

const commands: Commands = {
  grant,
  fence,
  allocate,
  admit: admitUnit,
  commit,
  decline,
  end: endRequest,
  drained,
  acquire,
  release,
  expire,
  // The work of this command is what follows from any command.
  settle: () => undefined,
};

export class Store {
  readonly #state: StoreState;
  readonly #ownerAudit: OwnerAudit;
  /** What people may look at. */
  readonly details: StoreView;

  /** `trail` receives every step that a chunk takes. */
  constructor(options: StoreOptions, trail: Trail = () => undefined) {
    this.#state = new StoreState(options, trail);
    this.#ownerAudit = new OwnerAudit(this.#state);
    this.details = new StoreView(this.#state);
  }

  /** Runs one command at time `nowMs`. Throws a `KvferryError`, and changes nothing, when it cannot be accepted. */
  execute<C extends StoreCommand>(command: C, nowMs: number): StoreResult<C> {
    const state = this.#state;
    const effects = state.begin(nowMs);
    const { freeCount } = state.pages;
    // The table pairs each type of command with its function. The compiler cannot follow that here.
    const run: (state: StoreState, command: never) => unknown = commands[command.type];
    const reply = run(state, command as never) as ReplyOf<C['type']>;
    settle(state, freeCount);
    return { reply, effects };
  }

  /** Pages by state; `free + writing + ready + quarantined = total`. */
  pageCounts(): PageCounts {
    return this.#state.pageCounts();
  }

  /** Commands have left work that the last one had no time for. The owner must run `settle` soon. */
  get unsettled(): boolean {
    return this.#state.isUnsettled;
  }

  /** For how long the oldest page of the quarantine has been there; 0 when the quarantine is empty. */
  quarantineAgeMs(nowMs: number): number {
    return nowMs - (this.#state.quarantine.oldestSinceMs ?? nowMs);
  }

  /** Remote keys that have kept a page in quarantine since before `sinceMs`. */
  quarantiningSince(sinceMs: number): string[] {
    return this.#state.quarantine.grantsSince(sinceMs);
  }

  /** The number of requests that wait for pages. */
  get waiting(): number {
    return this.#state.admission.waiting;
  }

  /** How a request ended: remembered for a limited time, but always while a ready request holds pages. */
  tombstone(id: HolderId): Tombstone | undefined {
    return this.#state.tombstone(id);
  }

  /** The remembered ends of every request of that name, in any epoch. */
  remembered(request: string): readonly { readonly holder: HolderId; readonly tombstone: Tombstone }[] {
    return this.#state.tombstones.ofRequest(request);
  }

  /** The first invariant that is broken, or undefined. Takes time in proportion to the pages and the leases. */
  brokenInvariant(): string | undefined {
    return brokenInvariant(this.#state);
  }

  /** The part of `brokenInvariant` that counts pages. Takes the same short time whatever the size of the arena. */
  checkCounts(): string | undefined {
    return checkCounts(this.#state);
  }

  /** The part of `brokenInvariant` that looks at every page and its owner. */
  checkOwners(): string | undefined {
    return checkOwners(this.#state);
  }

  /** A part of `checkOwners`: the next `max` pages or keys. One call after another looks at all of them. */
  auditOwners(max: number): string | undefined {
    return this.#ownerAudit.step(max);
  }

  /** A copy of everything the store knows. Takes time in proportion to the size of the arena. */
  describe(): StoreDescription {
    return describe(this.#state);
  }
}
