/** The sending side of an agent: takes `put` from engines and owns the requests that result. */
import type { Body } from '../../protocol/body.js';
import { RequestEndedError } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { OperationReply, OperationRequest, PutRequest } from '../../protocol/operations.js';
import type { PeerRow, RequestRow } from '../../protocol/status-rows.js';
import type { End } from '../../protocol/subjects.js';
import { countOf, isOf, tenantOfName } from '../../protocol/tenants.js';
import { Tombstones } from '../../store/tombstones.js';
import type { AgentEnv } from '../env/agent-env.js';
import { checkQuota } from '../env/quota.js';
import { endedRow } from '../observing/ended-row.js';
import { firstOf } from '../observing/first-of.js';
import { endLevel } from '../observing/log-level.js';
import { ReceiverDirectory } from '../peers/receiver-directory.js';
import type { ReceiverPeer } from '../peers/receiver-peer.js';
import { ArrivingPuts } from './arriving-puts.js';
import { checkPut, duplicateBatch } from './check-put.js';
import { PauseWatch } from './pause-watch.js';
import { publishEnd } from './publish-end.js';
import { RankEnds } from './rank-ends.js';
import { ReceiverMessages } from './receiver-messages.js';
import { RequestActor } from './request-actor.js';
import { Routing } from './routing.js';
import { SentEnds } from './sent-ends.js';
import { refuseOther, SessionRequests } from './session-requests.js';
import { Sessions } from './sessions.js';
import { SourceMemory } from './source-memory.js';
import type { TakenParts } from './taken-parts.js';
import { TenantRates } from './tenant-rates.js';

export class Sender {
  readonly memory: SourceMemory;
  readonly sessions: Sessions;
  /** Takes the messages of other agents. */
  readonly fromReceivers: ReceiverMessages;
  readonly #env: AgentEnv;
  readonly #pauses: PauseWatch;
  readonly #arriving = new ArrivingPuts();
  readonly #receivers: ReceiverDirectory;
  readonly #requests = new Map<string, RequestActor>();
  #chunks = 0;
  readonly #bySession = new SessionRequests();
  readonly #tombstones: Tombstones;
  readonly #rankEnds: RankEnds;
  readonly #rates: TenantRates;
  readonly #ends: SentEnds;
  readonly #routing: Routing;
  /** Hand-overs to requests that have ended, for as long as their ends are remembered. */
  readonly #parts = new Map<string, TakenParts>();
  #accepting = true;
  readonly #onIdle: (() => void)[] = [];

  constructor(env: AgentEnv) {
    this.#env = env;
    this.memory = new SourceMemory(env);
    this.sessions = new Sessions(env, {
      giveBack: (session, failure) => this.#giveBack(session, failure),
      count: (session) => ({ requests: this.#bySession.count(session), ...this.memory.heldBy(session) }),
    });
    this.#pauses = new PauseWatch(env, () => this.sessions.excuseSilence());
    this.#rates = new TenantRates(env.options.tenantBytesPerSecond);
    this.#rankEnds = new RankEnds(env, (rank, reason) => {
      publishEnd(env, { ...rank, ageMs: env.clock.now() - rank.startedMs }, 'failed', reason);
    });
    this.#ends = new SentEnds(env, this.#rankEnds);
    const { tombstonesMax, tombstoneMs } = env.options;
    this.#tombstones = new Tombstones({ max: tombstonesMax, keepMs: tombstoneMs });
    const known = {
      running: (request: string) => this.#requests.get(request),
      ended: (request: string) => this.#tombstones.get({ request, epoch: env.epoch }),
    };
    this.#routing = new Routing(env, { ...known, receiver: (agent) => this.#findReceiver(agent) });
    this.fromReceivers = new ReceiverMessages(env, this.#rankEnds, {
      ...known,
      partsOf: (request) => this.#parts.get(request),
      failed: (request, reason) => this.#record(request, 'failed', reason),
    });
    this.#receivers = new ReceiverDirectory(env, (peer, failure) => this.#receiverLost(peer, failure));
    // Without NATS no engine could renew its session.
    env.living.onLine((isUp) => {
      if (isUp) this.sessions.excuseSilence();
    });
  }

  // --- public operations --------------------------------------------------------------------------------------------

  /** Takes a batch; in the turn of its session if it belongs to one. */
  put(put: PutRequest): Promise<{ epoch: string }> {
    const earlier = this.#arriving.before(put.request);
    const copy = this.#copy(put);
    return this.#put(put).catch(async (error: unknown) => {
      await earlier;
      throw copy() ?? error;
    });
  }

  /** Names the receiver of an offered request, after the puts that came before. */
  async route(message: OperationRequest<'route'>): Promise<{ epoch: string }> {
    await this.arrived(message.request);
    return this.#routing.route(message);
  }

  /** Resolves when the puts of the request that have arrived by now are accepted or refused. */
  arrived(request: string): Promise<unknown> | undefined {
    return this.#arriving.before(request);
  }

  /**
   * Undefined when this agent did not send the request, or has forgotten it. Throws `wrong_session` when the order belongs to
   * another session than the request. Outside a session routers cancel every request.
   */
  cancel({ request, epoch, session }: OperationRequest<'cancel'>): { end?: End } | undefined {
    if (epoch !== undefined && epoch !== this.#env.epoch) return undefined;
    const actor = this.#requests.get(request);
    if (actor !== undefined) {
      refuseOther(actor, session);
      actor.cancel({ code: 'cancelled_by_caller', message: `request ${request} was cancelled` });
      return {};
    }
    const tombstone = this.#tombstones.get({ request, epoch: this.#env.epoch });
    return tombstone === undefined ? undefined : { end: tombstone.end };
  }

  open(message: OperationRequest<'open'>): Body<OperationReply<'open'>> {
    this.#refuseWhenDraining();
    return this.sessions.open(message);
  }

  stage(message: OperationRequest<'stage'>): Body<OperationReply<'stage'>> | Promise<Body<OperationReply<'stage'>>> {
    const { holder, session, pages } = message;
    return this.sessions.run(message, 'stage', () => () => {
      this.#refuseWhenDraining();
      return this.memory.stage({ holder, session }, pages);
    });
  }

  sources(filter: OperationRequest<'sources'>, tenant: string): Body<OperationReply<'sources'>> {
    const { epoch, living } = this.#env;
    return { epoch, alone: living.isAlone, ...this.memory.loans.list(filter, tenant) };
  }

  // --- life ---------------------------------------------------------------------------------------------------------

  /** Refuses new requests from now on. Requests in progress still take batches. */
  stopAccepting(): void {
    this.#accepting = false;
    this.#pauses.stop();
  }

  cancelAll(failure: Failure): void {
    void this.#inTurns(this.#requests.values(), (request) => request.cancel(failure));
  }

  /** Resolves when no request is in progress, and no end waits for the lead of its ranks. */
  async idle(): Promise<void> {
    do {
      if (this.#requests.size > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
      await this.#rankEnds.settled();
    } while (this.#requests.size > 0);
  }

  /** How often `tick` must be called. */
  get tickMs() {
    return this.#pauses.tickMs;
  }

  tick(): void {
    this.#pauses.tick();
  }

  sweep(nowMs: number): void {
    this.#pauses.tick();
    // Without NATS no engine can renew its session.
    if (this.#env.living.isLineUp) this.sessions.sweep(nowMs);
    this.memory.sweep(nowMs);
    this.#tombstones.prune(nowMs);
    this.#rankEnds.sweep();
    for (const request of this.#parts.keys()) {
      if (this.#tombstones.get({ request, epoch: this.#env.epoch }) === undefined) this.#parts.delete(request);
    }
  }

  /** From now on this agent announces no end. */
  mute(): void {
    this.#rankEnds.close();
    for (const request of this.#requests.values()) request.mute();
  }

  async close(): Promise<void> {
    this.mute();
    await this.#receivers.close();
  }

  /** The number of requests in progress. */
  get size(): number {
    return this.#requests.size;
  }

  /** The number of requests of a tenant in progress. */
  countOf(tenant: string): number {
    return countOf(tenant, this.#requests.keys());
  }

  /** The first requests of a tenant in progress. */
  firstRows(limit: number, tenant: string): RequestRow[] {
    const first = firstOf(this.#requests.values(), limit, ({ task }) => isOf(tenant, task.request));
    return first.map((actor) => actor.row());
  }

  /** The request of that id, in progress or ended. */
  rows(request: string): RequestRow[] {
    const live = this.#requests.get(request);
    if (live !== undefined) return [live.row()];
    const holder = { request, epoch: this.#env.epoch };
    const tombstone = this.#tombstones.get(holder);
    return tombstone === undefined ? [] : [endedRow(this.#env.clock, 'sender', holder, tombstone)];
  }

  peerRows(): PeerRow[] {
    return this.#receivers.rows();
  }

  // ------------------------------------------------------------------------------------------------------------------

  /** A copy of an order gets the answer of the order. While it waits for that, nothing of its message is kept (P28). */
  #put(put: PutRequest): Promise<{ epoch: string }> {
    let isNew = false;
    const begin = () => {
      this.#arriving.check(put);
      isNew = true;
      return this.#beginPut(put);
    };
    try {
      if (put.session === undefined) this.#pauses.check();
      const answer = Promise.resolve(this.sessions.run(put, 'put', begin));
      if (isNew) this.#arriving.add(put, answer);
      return answer;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Outside a session, a refused put may be a copy of one that was accepted: the engine must not take its memory back. */
  #copy(put: PutRequest): () => KvferryError | undefined {
    return put.session === undefined ? () => this.#copyOf(put) : noCopy;
  }

  /** The refusal of a batch that was put before; undefined when it was not. */
  #copyOf(put: PutRequest): KvferryError | undefined {
    const request = this.#requests.get(put.request);
    if (request === undefined) return this.#endedBefore(put);
    return put.batch < request.soFar.batches ? duplicateBatch(put, this.#env.epoch) : undefined;
  }

  #endedBefore({ request }: PutRequest): RequestEndedError | undefined {
    const { epoch } = this.#env;
    const ended = this.#tombstones.get({ request, epoch });
    return ended && new RequestEndedError(request, ended.end, ended.reason, { epoch });
  }

  #beginPut(put: PutRequest): () => Promise<{ epoch: string }> {
    const receivedMs = this.#env.clock.now();
    // Later batches wait for the look-up too, so that batches keep their order. Every check comes after the wait (P3).
    const found = put.receiver === undefined ? Promise.resolve(undefined) : this.#receivers.find(put.receiver);
    // An order of a session waits for those before it, and its receiver is looked up meanwhile.
    found.catch(() => undefined);
    return async () => {
      const peer = await found;
      if (this.#pauses.mayBeStale) await this.#pauses.settled();
      return this.#accept(put, peer, receivedMs);
    };
  }

  async #findReceiver(agent: string): Promise<ReceiverPeer> {
    const peer = await this.#receivers.find(agent);
    if (this.#pauses.mayBeStale) await this.#pauses.settled();
    return peer;
  }

  #accept(put: PutRequest, peer: ReceiverPeer | undefined, receivedMs: number): { epoch: string } {
    this.#refuseWhenDraining(put.request);
    const { request: name, batch, last, session } = put;
    this.sessions.requireOpen(session);
    const places = this.memory.places(put.source, put.keys.length, { request: name, session });
    const request = this.#requestFor(put, peer);
    const chunks = put.keys.map((key, position) => ({ key, ...(places[position] as (typeof places)[number]) }));
    this.memory.use({ request: name, batch, session }, places);
    const bytes = () => put.source.reduce((sum, { length, count }) => sum + length * count, 0);
    this.#rates.add(tenantOfName(name), bytes, this.#env.clock.now());
    // The look-up counts as part of the request's time.
    const actor = request ?? this.#start(put, peer, put.timeoutMs - (this.#env.clock.now() - receivedMs));
    actor.add({ batch, last, chunks });
    return { epoch: this.#env.epoch };
  }

  /** Requests in progress still take batches. */
  #refuseWhenDraining(request?: string): void {
    if (this.#accepting || (request !== undefined && this.#requests.has(request))) return;
    const message = `agent ${this.#env.options.agent} is stopping and takes no new requests: choose another agent`;
    throw new KvferryError('agent_draining', message);
  }

  /** The request of this batch; undefined when the batch is its first. Throws when the batch does not fit. */
  #requestFor(put: PutRequest, peer: ReceiverPeer | undefined): RequestActor | undefined {
    const { epoch, options, control } = this.#env;
    const ended = this.#endedBefore(put);
    if (ended !== undefined) throw ended;
    const request = this.#requests.get(put.request);
    if (request === undefined && this.memory.loans.has(put.request)) {
      const message = `a write of an earlier request ${put.request} has not drained: use another id`;
      throw new KvferryError('request_active', message, { field: 'request' });
    }
    const { pageBytes } = (peer ?? request?.route?.peer)?.arena ?? {};
    const limits = { requestsMax: options.requestsMax, messageBytesMax: control.messageBytesMax };
    const progress = { requests: this.#requests.size, chunks: this.#chunks, before: request?.soFar };
    checkPut(put, { agent: options.agent, epoch, pageBytes, ...progress, ...limits });
    if (request === undefined) this.#checkQuotas(tenantOfName(put.request), put.totalChunks);
    return request;
  }

  #checkQuotas(tenant: string, totalChunks: number): void {
    const { tenantRequestsMax, tenantPagesMax } = this.#env.options;
    this.#rates.check(tenant, this.#env.clock.now());
    const requests = { what: 'requests in progress', setting: 'tenantRequestsMax', max: tenantRequestsMax } as const;
    checkQuota({ tenant, ...requests, count: () => this.countOf(tenant) + 1 }, 'request');
    const chunks = { what: 'chunks of requests', setting: 'tenantPagesMax', max: tenantPagesMax } as const;
    checkQuota({ tenant, ...chunks, count: () => this.#chunksOf(tenant) + totalChunks }, 'totalChunks');
  }

  /** Of the requests of a tenant in progress: chunks that they have or will have. */
  #chunksOf(tenant: string): number {
    const own = [...this.#requests.values()].filter(({ task }) => isOf(tenant, task.request));
    return own.reduce((sum, { task }) => sum + task.totalChunks, 0);
  }

  #start(put: PutRequest, peer: ReceiverPeer | undefined, timeLeftMs: number): RequestActor {
    const { request, totalChunks, ranks, session } = put;
    const timeoutMs = Math.max(0, Math.round(timeLeftMs));
    const actor = new RequestActor(
      this.#env,
      { request, route: peer && { peer, ranks, skip: 0 }, memory: this.memory, totalChunks, timeoutMs, session },
      {
        ended: (which, end, reason) => this.#ended(which, end, reason),
        announce: (which, end, reason) => this.#ends.announce(which, end, reason),
      },
    );
    this.#requests.set(request, actor);
    this.#chunks += totalChunks;
    if (ranks !== undefined && peer !== undefined && this.#rankEnds.hasPromised(request, peer)) actor.promised();
    this.#bySession.add(actor);
    this.#env.counters.add('requests_accepted');
    return actor;
  }

  #ended(request: RequestActor, end: End, reason: Failure | null): void {
    const name = request.task.request;
    this.#record(name, end, reason);
    this.#requests.delete(name);
    this.#chunks -= request.task.totalChunks;
    if (!request.parts.isEmpty) this.#parts.set(name, request.parts);
    this.#bySession.delete(request);
    this.#env.counters.add(`requests_sent_${end}`);
    const log = { request: name, end, reason, chunks: request.task.totalChunks, ageMs: Math.round(request.ageMs) };
    this.#env.logger[endLevel(end, reason?.code)](log, 'request ended');
    if (this.#requests.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #record(request: string, end: End, reason: Failure | null): void {
    const { clock, epoch } = this.#env;
    this.#tombstones.add({ request, epoch }, end, reason ?? undefined, clock.now());
  }

  /** A session has ended. */
  #giveBack(session: string, failure: Failure): void {
    void this.#inTurns(this.#bySession.of(session), (request) => request.cancel(failure));
    this.memory.giveBack(session);
  }

  #receiverLost(peer: ReceiverPeer, failure: Failure): void {
    const lost = [...this.#requests.values()].filter(({ route }) => route?.peer === peer);
    void this.#inTurns(lost, (request) => request.receiverLost(failure));
  }

  /** Over several turns of the event loop when the requests are many. */
  #inTurns(requests: Iterable<RequestActor>, act: (request: RequestActor) => void): Promise<void> {
    return this.#env.turns.each(requests, ({ task }) => task.totalChunks, act);
  }
}

/** An order has one answer: that of its number. */
const noCopy = () => undefined;
