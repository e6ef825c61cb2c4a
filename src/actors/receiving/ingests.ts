/** The requests that arrive at a receiver: one ingest for each, from its first message until its pages are released. */
import { RequestEndedError, toFailure, unknownRequest } from '../../protocol/codec.js';
import { defined } from '../../protocol/defined.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { OperationRequest } from '../../protocol/operations.js';
import type { RequestRow } from '../../protocol/status-rows.js';
import type { End } from '../../protocol/subjects.js';
import { countOf, isOf, tenantOfName } from '../../protocol/tenants.js';
import { type HolderId, nameOf } from '../../store/holder.js';
import type { AgentEnv } from '../env/agent-env.js';
import { checkQuota } from '../env/quota.js';
import { atMost } from '../env/timers.js';
import { endedRow } from '../observing/ended-row.js';
import { firstOf } from '../observing/first-of.js';
import type { SenderDirectory } from '../peers/sender-directory.js';
import type { Groups } from '../ranks/groups.js';
import type { RankLinks } from '../ranks/rank-links.js';
import type { Allocations } from './allocations.js';
import { IngestActor, type IngestTask } from './ingest-actor.js';
import type { StoreActor } from './store-actor.js';

/** For each request that may be in progress, so many may be there with those that end at once. */
const INGESTS_FOR_EACH_REQUEST = 2;

const CHUNKS = { what: 'chunks of requests and readers', setting: 'tenantPagesMax' } as const;

export interface IngestsParts {
  readonly store: StoreActor;
  readonly senders: SenderDirectory;
  readonly allocations: Allocations;
  readonly groups: Groups;
  readonly links: RankLinks;
}

export class Ingests {
  readonly #env: AgentEnv;
  readonly #parts: IngestsParts;
  readonly #byName = new Map<string, IngestActor>();
  /** By request, whatever the epochs of their senders. */
  readonly #byRequest = new Map<string, Set<IngestActor>>();
  /** Resolves when every request was given up, if all of them were. */
  #givenUp = Promise.resolve();
  #onIdle: (() => void) | undefined;

  constructor(env: AgentEnv, parts: IngestsParts) {
    this.#env = env;
    this.#parts = parts;
  }

  get(holder: HolderId): IngestActor | undefined {
    return this.#byName.get(nameOf(holder));
  }

  /** For a request that only ends here: the store, which counts the others, never receives it. Throws `too_many_requests`. */
  refuseMore(request: string): void {
    const { agent, requestsMax } = this.#env.options;
    if (this.#byName.size < INGESTS_FOR_EACH_REQUEST * requestsMax) return;
    const message = `agent ${agent} has ${this.#byName.size} requests and takes no more: end request ${request} again later`;
    throw new KvferryError('too_many_requests', message, { field: 'request' });
  }

  add(holder: HolderId, request: Pick<IngestTask, 'sender' | 'totalChunks' | 'timeoutMs' | 'ranks'>): IngestActor {
    const { store, senders, allocations, groups, links } = this.#parts;
    const name = nameOf(holder);
    const peer = senders.get(holder.epoch);
    const leads = request.ranks?.members[0]?.receiver === this.#env.options.agent;
    const task = { holder, ...request, links, groups: leads ? groups : undefined };
    const ingest = new IngestActor(this.#env, task, {
      senderIsWatched: () => peer !== undefined,
      senderIsLost: () => peer !== undefined && senders.get(holder.epoch) !== peer,
      turn: (epochs) => this.#turn(holder.request, epochs),
      leaseEndsMs: () => store.view.details.holder(name)?.expiresAtMs,
      ended: (_, end, reason) => {
        if (!store.isShut) store.execute({ type: 'end', holder, end, reason: reason ?? undefined });
        if (end === 'ready') return;
        allocations.refuseAll(holder, new RequestEndedError(holder.request, end, reason ?? undefined));
      },
      gone: (which) => {
        this.#forget(which);
        if (this.#byName.size === 0) this.#onIdle?.();
      },
    });
    this.#byName.set(name, ingest);
    const others = this.#byRequest.get(holder.request);
    if (others === undefined) this.#byRequest.set(holder.request, new Set([ingest]));
    else others.add(ingest);
    return ingest;
  }

  /** Throws `quota_exceeded` when the tenant may not have another request of so many chunks. */
  checkQuotas(tenant: string, totalChunks: number): void {
    const { tenantRequestsMax, tenantPagesMax } = this.#env.options;
    const requests = { what: 'requests in progress', setting: 'tenantRequestsMax', max: tenantRequestsMax } as const;
    checkQuota({ tenant, ...requests, count: () => this.countOf(tenant) + 1 }, 'request');
    const chunks = { ...CHUNKS, max: tenantPagesMax };
    checkQuota({ tenant, ...chunks, count: () => this.#occupiedBy(tenant).chunks + totalChunks }, 'totalChunks');
  }

  /** Throws `quota_exceeded` when the tenant may not have a reader of so many keys. What a holder leases already is never refused. */
  checkReader(holder: HolderId, keys: readonly string[]): void {
    const { tenantRequestsMax, tenantPagesMax } = this.#env.options;
    if (tenantRequestsMax === 0 && tenantPagesMax === 0) return;
    const { details } = this.#parts.store.view;
    const tenant = tenantOfName(holder.request);
    const more = details.moreFor(nameOf(holder), keys);
    if (more === 0) return;
    const occupied = this.#occupiedBy(tenant);
    const readers = { what: 'readers', setting: 'tenantRequestsMax', max: tenantRequestsMax } as const;
    if (details.holder(nameOf(holder)) === undefined) {
      checkQuota({ tenant, ...readers, count: () => occupied.readers + 1 }, 'request');
    }
    checkQuota({ tenant, ...CHUNKS, max: tenantPagesMax, count: () => occupied.chunks + more }, 'keys');
  }

  /** Admits these ranks of one request together. Throws when one of them is not there. */
  admit(holders: readonly HolderId[]): void {
    this.#parts.store.execute({ type: 'admit', holders });
  }

  /** Throws unless the rank is complete and waits for the end. */
  prepare(holder: HolderId): void {
    const ingest = this.get(holder);
    if (ingest !== undefined) {
      ingest.prepare();
      return;
    }
    const recorded = this.#parts.store.view.tombstone(holder);
    if (recorded !== undefined) throw new RequestEndedError(holder.request, recorded.end, recorded.reason);
    throw unknownRequest(holder.request, holder.epoch);
  }

  /** Forgets a request whose first batch was refused. */
  discard(ingest: IngestActor): void {
    this.#forget(ingest);
    ingest.discard();
  }

  /**
   * Cancels the requests of that id: the one of that epoch, or, without an epoch, those of all senders. The answer has
   * the end, unless their senders take too long to agree to it. Undefined when there is neither such a request nor its end.
   */
  async cancel({ request, epoch }: OperationRequest<'cancel'>): Promise<{ end?: End } | undefined> {
    const meant = this.#named(request).filter(({ task }) => epoch === undefined || task.holder.epoch === epoch);
    const failure: Failure = { code: 'cancelled_by_caller', message: `request ${request} was cancelled` };
    for (const ingest of meant) ingest.end('cancelled', failure);
    const { clock, options } = this.#env;
    await atMost(clock, options.attemptTimeoutMs, Promise.all(meant.map(({ decided }) => decided)));
    const holders = epoch === undefined ? meant.map(({ task }) => task.holder) : [{ request, epoch }];
    const ends = holders.map((holder) => this.#parts.store.view.tombstone(holder)?.end);
    const end = ends.find((recorded) => recorded !== undefined);
    return end === undefined && meant.length === 0 ? undefined : defined({ end });
  }

  /** The newest end of a request of that id that the store remembers. */
  lastEnd(request: string): { end: End } | undefined {
    const last = this.#parts.store.view.remembered(request).at(-1);
    return last === undefined ? undefined : { end: last.tombstone.end };
  }

  /** Gives every request up, over several turns when they are many. */
  endAll(failure: Failure): void {
    this.#givenUp = this.#giveUp([...this.#byName.values()], failure);
  }

  /** Gives every request of a sender up that is lost, over several turns when they are many. */
  senderLost(epoch: string, failure: Failure): void {
    const lost = [...this.#byName.values()].filter(({ task }) => task.holder.epoch === epoch);
    void this.#giveUp(lost, failure);
  }

  /** Resolves when the end of every request that is being given up is recorded and announced. */
  async decided(): Promise<void> {
    await this.#givenUp;
    await Promise.all([...this.#byName.values()].filter((ingest) => ingest.isDeciding).map(({ decided }) => decided));
  }

  /** From now on this agent announces nothing. */
  close(): void {
    for (const ingest of this.#byName.values()) ingest.discard();
  }

  /** Resolves when nothing arrives and no request holds leases. */
  idle(): Promise<void> {
    if (this.#byName.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** The number of live requests. */
  get size(): number {
    return this.#byName.size;
  }

  /** The number of live requests of a tenant. */
  countOf(tenant: string): number {
    return countOf(
      tenant,
      [...this.#byName.values()].map(({ task }) => task.holder.request),
    );
  }

  /** The first live requests of a tenant. */
  firstRows(limit: number, tenant: string): RequestRow[] {
    const first = firstOf(this.#byName.values(), limit, ({ task }) => isOf(tenant, task.holder.request));
    return first.map((ingest) => ingest.row());
  }

  /** Requests of that id, live or ended. */
  rows(request: string): RequestRow[] {
    const ended = this.#parts.store.view.remembered(request).filter(({ holder }) => this.get(holder) === undefined);
    return [
      ...this.#named(request).map((ingest) => ingest.row()),
      ...ended.map(({ holder, tombstone }) => endedRow(this.#env.clock, 'receiver', holder, tombstone)),
    ];
  }

  /** Chunks of the tenant's requests, with and without pages, and of its readers. */
  #occupiedBy(tenant: string): { readonly chunks: number; readonly readers: number } {
    return this.#parts.store.view.details.occupiedBy((request) => isOf(tenant, request));
  }

  #giveUp(ingests: readonly IngestActor[], failure: Failure): Promise<void> {
    const chunksOf = ({ task }: IngestActor) => task.totalChunks;
    return this.#env.turns.each(ingests, chunksOf, (ingest) => ingest.end('failed', failure));
  }

  #turn(request: string, epochs: readonly string[]): void {
    try {
      this.admit(epochs.map((epoch) => ({ request, epoch })));
    } catch (error) {
      // One of the ranks has ended, and so will the others.
      this.#env.logger.info({ request, code: toFailure(error).code }, 'a turn of ranks came too late');
    }
  }

  /** Requests of that id, whatever the epochs of their senders. */
  #named(request: string): IngestActor[] {
    return [...(this.#byRequest.get(request) ?? [])];
  }

  #forget(ingest: IngestActor): void {
    const { holder } = ingest.task;
    const name = nameOf(holder);
    if (this.#byName.get(name) === ingest) this.#byName.delete(name);
    const others = this.#byRequest.get(holder.request);
    others?.delete(ingest);
    if (others?.size === 0) this.#byRequest.delete(holder.request);
  }
}
