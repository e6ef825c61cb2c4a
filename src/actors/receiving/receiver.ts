/** The decode side of an agent: owns the arena through the store actor, and takes what senders bring. */
import type { ControlStatus } from '../../ports/control.js';
import type { Body } from '../../protocol/body.js';
import { ReplyError, RequestEndedError, toFailure, unknownRequest } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import { expandLengths, type Failure, type PageCounts, type Ranks } from '../../protocol/fields.js';
import { ACQUIRE_KEYS_MAX } from '../../protocol/limits.js';
import type { OperationReply, OperationRequest, PeerRow, RequestRow } from '../../protocol/operations.js';
import type {
  AllocateReply,
  AllocateRequest,
  Heartbeat,
  PeerReply,
  PeerRequest,
} from '../../protocol/peer-messages.js';
import type { End } from '../../protocol/subjects.js';
import type { StoreDescription } from '../../store/description.js';
import { type HolderId, nameOf } from '../../store/holder.js';
import type { StoreEffect } from '../../store/messages.js';
import { Store } from '../../store/store.js';
import type { StoreView } from '../../store/view.js';
import { type AgentEnv, failureOf } from '../env/agent-env.js';
import { endedRow } from '../observing/ended-row.js';
import { callPeer } from '../peers/peer-call.js';
import { SenderPeer } from '../peers/sender-peer.js';
import { Groups } from '../ranks/groups.js';
import { RankLinks } from '../ranks/rank-links.js';
import { IngestActor, type IngestTask } from './ingest-actor.js';
import { StoreActor } from './store-actor.js';

/** Somebody waits for the answer to an allocation. A repeated message takes the place of the one before it. */
interface PendingAllocation {
  resolve(reply: Body<AllocateReply>): void;
  reject(error: KvferryError): void;
}

/** What the store holds, and the first of its invariants that does not hold, if any. */
export interface StoreInspection {
  readonly store: StoreDescription;
  readonly broken: string | undefined;
}

/** No number of absences is as small. */
const UNCERTAIN = -1;

/** A sender may take one `writeDrainTimeoutMs` for its writes to drain, and this many in all to say so. */
const DRAINS_MAX = 2;

export class Receiver {
  readonly arenaPath: string;
  readonly #env: AgentEnv;
  readonly #store: StoreActor;
  readonly #ingests = new Map<string, IngestActor>();
  readonly #senders = new Map<string, SenderPeer>();
  readonly #groups: Groups;
  readonly #links: RankLinks;
  readonly #pending = new Map<string, PendingAllocation>();
  #accepting = true;
  #onIdle: (() => void) | undefined;

  constructor(env: AgentEnv) {
    this.#env = env;
    const { arena, agent, leaseMs, tombstonesMax, tombstoneMs, requestsMax, retainedMax } = env.options;
    this.arenaPath = `${arena.directory}/kvferry-${agent}-${env.epoch}-arena`;
    const { pages, pageBytes } = arena;
    const limits = { leaseMs, tombstonesMax, tombstoneMs, holdersMax: requestsMax, retainedMax };
    const store = new Store({ pages, pageBytes, ...limits }, (step) => env.journal.store(step));
    this.#store = new StoreActor(store, env.clock, {
      onEffect: (effect) => this.#run(effect),
      onBroken: (invariant) => env.supervisor.invariantBroken(invariant),
    });
    this.#links = new RankLinks(env);
    this.#groups = new Groups(env, {
      announcedBySender: async (holder) => this.#ingests.get(nameOf(holder))?.announcedBySender(),
      tell: (holder, verdict) => this.#ingests.get(nameOf(holder))?.told(verdict),
    });
  }

  /** Rejects `arena_unavailable`, or `provider_unavailable` when there is no way to the arena at all. */
  async open(): Promise<void> {
    const { pages, pageBytes } = this.#env.options.arena;
    const { fabric, options } = this.#env;
    await fabric.createArena({ path: this.arenaPath, pages, pageBytes });
    if (fabric.endpoints().length > 0) return;
    const reasons = fabric.unavailable().map(({ provider, reason }) => `${provider}: ${reason}`);
    throw new KvferryError('provider_unavailable', `nobody can reach agent ${options.agent}: ${reasons.join('; ')}`);
  }

  // --- messages from senders ----------------------------------------------------------------------------------------

  async connect(message: PeerRequest<'connect'>): Promise<Body<PeerReply<'connect'>>> {
    const { agent, epoch, heartbeatMs, provider, connection } = message;
    const { fabric, options } = this.#env;
    if (!fabric.endpoints().some((offered) => offered.provider === provider)) {
      throw new KvferryError('provider_unavailable', `agent ${options.agent} does not offer ${provider}`, {
        field: 'provider',
      });
    }
    const sender = this.#senders.get(epoch) ?? this.#addSender(agent, epoch, heartbeatMs);
    const { id, token, arenaBytes } = await sender.grant(provider, connection);
    return { grant: { id, provider, token, arenaBytes } };
  }

  allocate(message: AllocateRequest): Promise<Body<AllocateReply>> {
    const { request, epoch, batch, last, totalChunks, timeoutMs, keys, grant, ranks } = message;
    const holder: HolderId = { request, epoch };
    const name = nameOf(holder);
    const lengths = expandLengths(message.lengths);
    const known = this.#ingests.get(name);
    if (known === undefined) this.#refuse(holder);
    const sender = this.#senders.get(epoch);
    if (sender === undefined) {
      throw new KvferryError('stale_grant', `grant ${grant} is unknown or revoked`, { field: 'grant' });
    }
    const ingest = known ?? this.#addIngest(holder, { sender: sender.agent, totalChunks, timeoutMs, ranks });
    return new Promise((resolve, reject) => {
      const pendingName = `${batch} ${name}`;
      this.#pending.set(pendingName, { resolve, reject });
      try {
        this.#store.execute({ type: 'allocate', holder, grant, batch, last, totalChunks, keys, lengths });
      } catch (error) {
        this.#pending.delete(pendingName);
        if (known === undefined) {
          this.#ingests.delete(name);
          ingest.discard();
        }
        reject(error as Error);
      }
    });
  }

  commit(message: PeerRequest<'commit'>): Body<PeerReply<'commit'>> {
    const { request, epoch, batch, part, pages, generations } = message;
    const lengths = expandLengths(message.lengths);
    this.#store.execute({ type: 'commit', holder: { request, epoch }, batch, part, pages, generations, lengths });
    return {};
  }

  /** The answer is the end that was recorded, which may be an earlier one (P6). */
  async abort(message: PeerRequest<'abort'>): Promise<Body<PeerReply<'abort'>>> {
    const { request, epoch, end, reason, agent: sender, totalChunks, ranks } = message;
    const holder: HolderId = { request, epoch };
    if (this.#store.view.tombstone(holder) === undefined) {
      const { attemptTimeoutMs: timeoutMs } = this.#env.options;
      const known = this.#ingests.get(nameOf(holder));
      const ingest = known ?? this.#addIngest(holder, { sender, totalChunks, timeoutMs, ranks });
      ingest.end(end, reason);
      await ingest.decided;
    }
    const { end: held = end, reason: why } = this.#store.view.tombstone(holder) ?? {};
    return why === undefined ? { end: held } : { end: held, reason: why };
  }

  drained({ request, epoch }: PeerRequest<'drained'>): Body<PeerReply<'drained'>> {
    this.#store.execute({ type: 'drained', holder: { request, epoch } });
    return {};
  }

  inquire({ request, epoch }: PeerRequest<'inquire'>): Body<PeerReply<'inquire'>> {
    const holder: HolderId = { request, epoch };
    const recorded = this.#store.view.tombstone(holder);
    if (recorded !== undefined) {
      const { end, reason } = recorded;
      return reason === undefined ? { end } : { end, reason };
    }
    if (!this.#ingests.has(nameOf(holder))) throw unknownRequest(request);
    return {};
  }

  report(message: PeerRequest<'report'>): Body<PeerReply<'report'>> {
    return this.#groups.report(message);
  }

  verdict({ request, epoch, end, reason }: PeerRequest<'verdict'>): Body<PeerReply<'verdict'>> {
    this.#ingests.get(nameOf({ request, epoch }))?.told({ end, failure: reason ?? null });
    return {};
  }

  heartbeat(beat: Heartbeat): void {
    const sender = this.#senders.get(beat.epoch);
    if (sender === undefined) {
      this.#noticeRestart(beat);
      return;
    }
    sender.liveness.heartbeat(beat);
  }

  /** NATS is gone, or there again. */
  lineChanged(status: ControlStatus): void {
    for (const sender of this.#senders.values()) sender.liveness.lineChanged(status);
  }

  // --- public operations --------------------------------------------------------------------------------------------

  acquire({ request, epoch, keys, from }: OperationRequest<'acquire'>): Body<OperationReply<'acquire'>> {
    const holder: HolderId = { request, epoch };
    const command = { type: 'acquire', holder, keys, from, limit: ACQUIRE_KEYS_MAX } as const;
    const { found, missing, next } = this.#store.execute(command);
    return {
      arena: this.description(),
      leaseMs: this.#env.options.leaseMs,
      keys: found.map((page) => page.key),
      pages: found.map((page) => page.page),
      generations: found.map((page) => page.generation),
      lengths: found.map((page) => page.length),
      missing: [...missing],
      ...(next === undefined ? {} : { next }),
    };
  }

  release({ request, epoch, keys }: OperationRequest<'release'>): Body<OperationReply<'release'>> {
    return this.#store.execute({ type: 'release', holder: { request, epoch }, keys });
  }

  cancel({ request, epoch }: OperationRequest<'cancel'>): { end?: End } | undefined {
    const matching = [...this.#ingests.values()].filter(
      ({ task: { holder } }) => holder.request === request && (epoch === undefined || holder.epoch === epoch),
    );
    for (const ingest of matching) {
      ingest.end('cancelled', failureOf('cancelled_by_caller', `request ${request} was cancelled`));
    }
    const ids = epoch === undefined ? matching.map(({ task }) => task.holder) : [{ request, epoch }];
    const tombstone = ids.map((id) => this.#store.view.tombstone(id)).find((recorded) => recorded !== undefined);
    if (tombstone !== undefined) return { end: tombstone.end };
    return matching.length > 0 ? {} : this.#groups.cancel(request);
  }

  // --- what may be seen ---------------------------------------------------------------------------------------------

  description(): { path: string; epoch: string; pageBytes: number; pages: number } {
    const { pageBytes, pages } = this.#env.options.arena;
    return { path: this.arenaPath, epoch: this.#env.epoch, pageBytes, pages };
  }

  /** What the store holds, and the first invariant that is broken. For checks. */
  inspectStore(): StoreInspection {
    return { store: this.#store.view.describe(), broken: this.#store.view.brokenInvariant() };
  }

  /** What may be seen of the store. */
  get details(): StoreView {
    return this.#store.view.details;
  }

  pageCounts(): PageCounts {
    return this.#store.view.pageCounts();
  }

  /** How long the page that is quarantined longest has been so. */
  get quarantineAgeMs(): number {
    return Math.round(this.#store.view.quarantineAgeMs(this.#env.clock.now()));
  }

  /** Requests that wait for pages. */
  get waiting(): number {
    return this.#store.view.waiting;
  }

  rows(request: string | undefined): RequestRow[] {
    if (request === undefined) return [...this.#ingests.values()].map((ingest) => this.#row(ingest));
    const live = [...this.#ingests.values()].filter(({ task }) => task.holder.request === request);
    const ended = this.#store.view
      .remembered(request)
      .filter(({ holder }) => !this.#ingests.has(nameOf(holder)))
      .map(({ holder, tombstone }) => endedRow(this.#env.clock, 'receiver', holder, tombstone));
    return [...live.map((ingest) => this.#row(ingest)), ...ended];
  }

  peerRows(): PeerRow[] {
    return [...this.#senders.values()].map((sender) => sender.row());
  }

  // --- life ---------------------------------------------------------------------------------------------------------

  /** No new requests. Those in progress may end, and their pages may be read. */
  stopAccepting(): void {
    this.#accepting = false;
    this.#groups.stopAccepting();
  }

  cancelAll(failure: Failure): void {
    for (const ingest of [...this.#ingests.values()]) ingest.end('failed', failure);
    this.#groups.cancelAll(failure);
  }

  /** Resolves when nothing is arriving and nothing is leased. */
  idle(): Promise<void> {
    if (this.#ingests.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  sweep(): void {
    this.#groups.sweep(this.#env.clock.now());
    if (this.#store.isShut) return;
    this.#store.execute({ type: 'expire' });
    this.#store.check();
    this.#fenceOverdue();
  }

  /**
   * Trusts nothing it holds any more: nothing is read or written through it, every request ends, every remote key is
   * revoked. Resolves when no byte can land.
   */
  async fence(failure: Failure): Promise<void> {
    this.stopAccepting();
    this.#store.shut();
    this.cancelAll(failure);
    const senders = [...this.#senders.values()];
    for (const sender of senders) sender.liveness.left(failure);
    await Promise.all(senders.map((sender) => sender.settled));
  }

  close(): void {
    for (const sender of this.#senders.values()) sender.stop();
    this.#links.close();
    const closed = new KvferryError('closed', `agent ${this.#env.options.agent} has stopped`);
    for (const pending of this.#pending.values()) pending.reject(closed);
    this.#pending.clear();
  }

  // ------------------------------------------------------------------------------------------------------------------

  /**
   * Whoever should have said that its writes have drained, or have connected anew, is fenced when it does neither: nobody
   * else would end that quarantine while the sender lives.
   */
  #fenceOverdue(): void {
    const { clock, options, counters, logger } = this.#env;
    const sinceMs = clock.now() - DRAINS_MAX * options.writeDrainTimeoutMs;
    for (const grant of this.#store.view.quarantiningSince(sinceMs)) {
      counters.add('quarantines_overdue');
      logger.warn({ grant }, 'no word about writes that should have drained: their remote key is revoked');
      for (const sender of this.#senders.values()) sender.fence(grant);
    }
  }

  #run(effect: StoreEffect): void {
    if (effect.type === 'pages.freed') {
      this.#env.counters.add('pages_freed', effect.count);
      return;
    }
    this.#tell(this.#ingests.get(nameOf(effect.holder)), effect);
  }

  #tell(ingest: IngestActor | undefined, effect: Exclude<StoreEffect, { type: 'pages.freed' }>): void {
    switch (effect.type) {
      case 'allocated': {
        const { pages, generations, alreadySent, joined } = effect.allocation;
        this.#settle(`${effect.batch} ${nameOf(effect.holder)}`, (pending) =>
          pending.resolve({
            pages: [...pages],
            generations: [...generations],
            alreadySent: [...alreadySent],
            joined: [...joined],
          }),
        );
        if (!effect.first) return;
        this.#env.counters.add('chunks_written', pages.length);
        this.#env.counters.add('chunks_deduplicated', alreadySent.length);
        this.#env.counters.add('chunks_joined', joined.length);
        ingest?.send({
          type: 'batch.allocated',
          batch: effect.batch,
          last: effect.last,
          written: pages.length,
          ready: alreadySent.length - joined.length,
          joined: joined.length,
          bytes: effect.bytes,
        });
        return;
      }
      case 'queued': {
        const { request, epoch } = effect.holder;
        this.#env.counters.add('batches_queued');
        this.#env.logger.debug({ request, epoch, batch: effect.batch, charge: effect.charge }, 'waits for pages');
        return;
      }
      case 'refused':
        ingest?.end('failed', effect.reason);
        return;
      case 'chunks.ready':
        ingest?.send({ type: effect.type, batch: effect.batch, written: effect.written, joined: effect.joined });
        return;
      case 'handed.over':
        ingest?.send({ type: 'chunks.handed-over', chunks: effect.positions.length, bytes: effect.bytes });
        if (ingest !== undefined) void this.#handOver(ingest, effect);
        return;
      case 'leases.ended':
        ingest?.send({ type: 'leases.ended', cause: effect.cause });
        return;
    }
  }

  /** Asks the sender of a request that had joined chunks to write them. It still has their bytes (P2). */
  async #handOver(ingest: IngestActor, effect: Extract<StoreEffect, { type: 'handed.over' }>): Promise<void> {
    const { counters, logger } = this.#env;
    const { holder, batch, part, grant, positions, pages, generations, from } = effect;
    const log = { request: holder.request, batch, part, chunks: positions.length, from: from?.writer.request };
    counters.add('chunks_handed_over', positions.length);
    logger.info(log, 'joined chunks handed over');
    const sender = { agent: ingest.task.sender, epoch: holder.epoch, side: 'sender' as const };
    const body = { ...holder, batch, part, grant };
    const lists = { positions: [...positions], pages: [...pages], generations: [...generations] };
    try {
      await callPeer(this.#env, sender, 'handover', () => ({ ...body, ...lists }), {
        deadlineMs: ingest.deadlineMs,
        isLost: () => !this.#senders.has(holder.epoch) || this.#ingests.get(nameOf(holder)) !== ingest,
      });
    } catch (error) {
      const failure = toFailure(error);
      counters.add('handovers_refused');
      logger.warn({ ...log, code: failure.code, err: error }, 'hand-over refused');
      if (!(error instanceof ReplyError)) return;
      this.#store.execute({ type: 'decline', holder, batch, part });
      // With a new remote key it can be asked again; one that is being given up ends by itself.
      if (failure.code !== 'stale_grant' && failure.code !== 'request_active') {
        ingest.end('failed', writerFailed(from, failure));
      }
    }
  }

  #settle(name: string, answer: (pending: PendingAllocation) => void): void {
    const pending = this.#pending.get(name);
    if (pending === undefined) return;
    this.#pending.delete(name);
    answer(pending);
  }

  #refuse(holder: HolderId): void {
    const recorded = this.#store.view.tombstone(holder);
    if (recorded !== undefined) throw new RequestEndedError(holder.request, recorded.end, recorded.reason);
    if (!this.#accepting) {
      throw new KvferryError('agent_draining', `agent ${this.#env.options.agent} takes no new requests`);
    }
  }

  #addSender(agent: string, epoch: string, heartbeatMs: number): SenderPeer {
    const sender = new SenderPeer(
      this.#env,
      { agent, epoch, heartbeatMs },
      {
        granted: (grant) => this.#store.execute({ type: 'grant', grant, epoch }),
        fenced: (grant) => {
          if (!this.#store.isShut) this.#store.execute({ type: 'fence', grant });
        },
        lost: (failure) => {
          this.#senders.delete(epoch);
          for (const ingest of [...this.#ingests.values()]) {
            if (ingest.task.holder.epoch === epoch) ingest.end('failed', failure);
          }
        },
      },
    );
    this.#senders.set(epoch, sender);
    return sender;
  }

  #row(ingest: IngestActor): RequestRow {
    const missing = ingest.task.groups?.missing(ingest.task.holder.request);
    return missing === undefined ? ingest.row() : { ...ingest.row(), missingRanks: missing };
  }

  #leads(ranks: Ranks | undefined): boolean {
    return ranks?.members[0]?.receiver === this.#env.options.agent;
  }

  /** A sender that comes back under its old name with a new epoch has died meanwhile. */
  #noticeRestart(beat: Heartbeat): void {
    for (const sender of [...this.#senders.values()]) if (sender.agent === beat.agent) sender.liveness.heartbeat(beat);
  }

  #addIngest(
    holder: HolderId,
    request: Pick<IngestTask, 'sender' | 'totalChunks' | 'timeoutMs' | 'ranks'>,
  ): IngestActor {
    const name = nameOf(holder);
    const peer = this.#senders.get(holder.epoch);
    // From a sender that we do not know, or know no more, nothing is certain.
    const absences = Math.min(peer?.absences ?? UNCERTAIN, this.#env.presence.absencesBefore);
    const ingest = new IngestActor(
      this.#env,
      {
        holder,
        ...request,
        absences,
        links: this.#links,
        groups: this.#leads(request.ranks) ? this.#groups : undefined,
      },
      {
        senderIsWatched: () => peer !== undefined,
        senderIsLost: () => peer !== undefined && this.#senders.get(holder.epoch) !== peer,
        senderProven: (absences) => peer?.proven(absences),
        ended: (_, end, reason) => {
          if (!this.#store.isShut) this.#store.execute({ type: 'end', holder, end, reason: reason ?? undefined });
          if (end !== 'ready')
            this.#refusePending(new RequestEndedError(holder.request, end, reason ?? undefined), holder);
        },
        gone: (which) => {
          if (this.#ingests.get(name) === which) this.#ingests.delete(name);
          if (this.#ingests.size === 0) this.#onIdle?.();
        },
      },
    );
    this.#ingests.set(name, ingest);
    return ingest;
  }

  /** Allocations that still wait get the end as their answer. */
  #refusePending(error: RequestEndedError, holder: HolderId): void {
    const suffix = ` ${nameOf(holder)}`;
    for (const name of [...this.#pending.keys()]) {
      if (name.endsWith(suffix)) {
        this.#settle(name, (pending) => pending.reject(error));
      }
    }
  }
}

/** Why a request ends that had joined a chunk which nobody will write. */
function writerFailed(from: Extract<StoreEffect, { type: 'handed.over' }>['from'], refusal: Failure): Failure {
  const reason = from?.reason === undefined ? '' : ` (${from.reason.code}: ${from.reason.message})`;
  const writer = `request ${from?.writer.request}, which was writing a shared chunk, has ended${reason}`;
  return failureOf('writer_failed', `${writer}; its place was not taken: ${refusal.code}: ${refusal.message}`);
}
