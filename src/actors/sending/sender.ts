/** The sending side of an agent: takes `put` from engines and owns the requests that result. */
import type { Body } from '../../protocol/body.js';
import { RequestEndedError, unknownRequest } from '../../protocol/codec.js';
import { defined } from '../../protocol/defined.js';
import { invalidField, KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { OperationReply, OperationRequest, PeerRow, PutRequest, RequestRow } from '../../protocol/operations.js';
import type { PeerReply, PeerRequest } from '../../protocol/peer-messages.js';
import type { End } from '../../protocol/subjects.js';
import { Tombstones } from '../../store/tombstones.js';
import type { AgentEnv } from '../env/agent-env.js';
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
import { RequestActor } from './request-actor.js';
import { Routing } from './routing.js';
import { SentEnds } from './sent-ends.js';
import { refuseOther, SessionRequests } from './session-requests.js';
import { Sessions } from './sessions.js';
import { SourceMemory } from './source-memory.js';
import type { TakenParts } from './taken-parts.js';

export class Sender {
  readonly memory: SourceMemory;
  readonly sessions: Sessions;
  readonly #env: AgentEnv;
  readonly #pauses: PauseWatch;
  readonly #arriving = new ArrivingPuts();
  readonly #receivers: ReceiverDirectory;
  readonly #requests = new Map<string, RequestActor>();
  #chunks = 0;
  readonly #bySession = new SessionRequests();
  readonly #tombstones: Tombstones;
  readonly #rankEnds: RankEnds;
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
    this.#rankEnds = new RankEnds(env, (rank, reason) => {
      publishEnd(env, { ...rank, ageMs: env.clock.now() - rank.startedMs }, 'failed', reason);
    });
    this.#ends = new SentEnds(env, this.#rankEnds);
    const { tombstonesMax, tombstoneMs } = env.options;
    this.#tombstones = new Tombstones({ max: tombstonesMax, keepMs: tombstoneMs });
    this.#routing = new Routing(env, {
      running: (request) => this.#requests.get(request),
      ended: (request) => this.#tombstones.get({ request, epoch: env.epoch }),
      receiver: (agent) => this.#findReceiver(agent),
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
    return this.#arriving.add(put, () => this.#put(put, earlier));
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

  sources(filter: OperationRequest<'sources'>): Body<OperationReply<'sources'>> {
    const { epoch, living } = this.#env;
    return { epoch, alone: living.isAlone, ...this.memory.loans.list(filter) };
  }

  // --- messages from agents -----------------------------------------------------------------------------------------

  allocated(notice: PeerRequest<'allocated'>): Body<PeerReply<'allocated'>> {
    this.#requests.get(notice.request)?.allocated(notice);
    return {};
  }

  joined({ request, batch }: PeerRequest<'joined'>): Body<PeerReply<'joined'>> {
    this.#requests.get(request)?.joinResolved(batch);
    return {};
  }

  ended({ request, end, reason }: PeerRequest<'ended'>): Body<PeerReply<'ended'>> {
    this.#requests.get(request)?.receiverReported(end, reason ?? null);
    return {};
  }

  /** The end that this agent itself has announced. Without `end` it agrees to the end that the receiver announces. */
  confirm({ request, receiverEpoch }: PeerRequest<'confirm'>): Body<PeerReply<'confirm'>> {
    const isWaiting = this.#rankEnds.isWaiting(request);
    const actor = this.#requests.get(request);
    if (!isWaiting) {
      const ended = actor?.confirm(receiverEpoch) ?? this.#tombstones.get({ request, epoch: this.#env.epoch });
      if (ended !== undefined) return defined({ end: ended.end, reason: ended.reason });
    }
    // A lead takes the answer that rank 0 was never put as an agreement, so it binds too.
    const isSent = actor?.route !== undefined;
    if (!isSent || actor.route.ranks !== undefined) this.#rankEnds.promise(request, receiverEpoch);
    if (!isSent && !isWaiting) throw unknownRequest(request);
    return {};
  }

  /** The lead of the ranks is gone. This agent sees to the end of the request, also when its own rank 0 was never put. */
  appeal(message: PeerRequest<'appeal'>): Body<PeerReply<'appeal'>> {
    const { request, ranks, reason } = message;
    const { clock, epoch, options } = this.#env;
    const [first] = ranks.members;
    if (first?.sender !== options.agent) {
      const message = `rank 0 of request ${request} is put at agent ${first?.sender}, not at ${options.agent}`;
      throw invalidField('ranks.members[0].sender', message);
    }
    const actor = this.#requests.get(request);
    if (this.#rankEnds.isWaiting(request) || actor?.route !== undefined) return {};
    const ended = this.#tombstones.get({ request, epoch });
    if (ended !== undefined) return defined({ end: ended.end, reason: ended.reason });
    const what = actor === undefined ? 'put at' : 'routed from';
    const failure = { code: reason.code, message: `rank 0 was not ${what} agent ${options.agent}: ${reason.message}` };
    actor?.withdraw(failure);
    this.#tombstones.add({ request, epoch }, 'failed', failure, clock.now());
    this.#rankEnds.standIn(message, first.receiver, failure);
    return {};
  }

  async handOver(message: PeerRequest<'handover'>): Promise<Body<PeerReply<'handover'>>> {
    const { request, batch, part } = message;
    const actor = this.#requests.get(request);
    const answer = (actor?.parts ?? this.#parts.get(request))?.answer(batch, part);
    if (answer !== undefined) return answer;
    if (actor === undefined) {
      const ended = this.#tombstones.get({ request, epoch: this.#env.epoch });
      throw ended === undefined ? unknownRequest(request) : new RequestEndedError(request, ended.end, ended.reason);
    }
    return actor.handOver(message);
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

  /** The first requests in progress. */
  firstRows(limit: number): RequestRow[] {
    return firstOf(this.#requests.values(), limit).map((actor) => actor.row());
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

  /** Outside a session, a refused put may be a copy of one that was accepted: the engine must not take its memory back. */
  async #put(put: PutRequest, earlier: Promise<unknown> | undefined): Promise<{ epoch: string }> {
    try {
      if (put.session === undefined) this.#pauses.check();
      return await this.sessions.run(put, 'put', () => this.#beginPut(put));
    } catch (error) {
      await earlier;
      throw (put.session === undefined ? this.#copyOf(put) : undefined) ?? error;
    }
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
    const places = this.memory.places(put.source, put.keys.length, session);
    const request = this.#requestFor(put, peer);
    const chunks = put.keys.map((key, position) => ({ key, ...(places[position] as (typeof places)[number]) }));
    this.memory.use({ request: name, batch, session }, places);
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
    const { epoch } = this.#env;
    const ended = this.#endedBefore(put);
    if (ended !== undefined) throw ended;
    const request = this.#requests.get(put.request);
    if (request === undefined && this.memory.loans.has(put.request)) {
      const message = `a write of an earlier request ${put.request} has not drained: use another id`;
      throw new KvferryError('request_active', message, { field: 'request' });
    }
    const { agent, requestsMax } = this.#env.options;
    const { pageBytes } = (peer ?? request?.route?.peer)?.arena ?? {};
    const { messageBytesMax } = this.#env.control;
    const progress = { requests: this.#requests.size, requestsMax, chunks: this.#chunks };
    checkPut(put, { agent, epoch, pageBytes, before: request?.soFar, ...progress, messageBytesMax });
    return request;
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
    if (ranks !== undefined && this.#rankEnds.promisedTo(request) === peer?.epoch) actor.promised();
    this.#bySession.add(actor);
    this.#env.counters.add('requests_accepted');
    return actor;
  }

  #ended(request: RequestActor, end: End, reason: Failure | null): void {
    const name = request.task.request;
    this.#tombstones.add({ request: name, epoch: this.#env.epoch }, end, reason ?? undefined, this.#env.clock.now());
    this.#requests.delete(name);
    this.#chunks -= request.task.totalChunks;
    if (!request.parts.isEmpty) this.#parts.set(name, request.parts);
    this.#bySession.delete(request);
    this.#env.counters.add(`requests_sent_${end}`);
    const log = { request: name, end, reason, chunks: request.task.totalChunks, ageMs: Math.round(request.ageMs) };
    this.#env.logger[endLevel(end, reason?.code)](log, 'request ended');
    if (this.#requests.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
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
