/** Runs one request machine: its transfers, its abort, and its end. */
import { type Actor, createActor } from 'xstate';
import { isInDoubt, type RequestContext, type RequestEffects, requestMachine } from '../../../machines/request.js';
import type { Body } from '../../protocol/body.js';
import { toFailure } from '../../protocol/codec.js';
import { defined } from '../../protocol/defined.js';
import type { Failure } from '../../protocol/fields.js';
import type { PeerReply, PeerRequest } from '../../protocol/peer-messages.js';
import type { RequestRow } from '../../protocol/status-rows.js';
import type { End } from '../../protocol/subjects.js';
import type { AgentEnv } from '../env/agent-env.js';
import { sleep } from '../env/timers.js';
import { aboutRank } from '../observing/journal.js';
import { refusalLevel } from '../observing/log-level.js';
import { stateName } from '../observing/state-name.js';
import type { Insistence } from '../peers/peer-call.js';
import { Owners, tell } from '../running/owners.js';
import type { PutSoFar } from './check-put.js';
import { PutBatches } from './put-batches.js';
import { RequestCalls } from './request-calls.js';
import { chunksToSend, type PutBatch, type RequestTask, type Route } from './request-task.js';
import { TakenParts } from './taken-parts.js';
import { Transfers } from './transfers.js';

export interface RequestListener {
  /** Every write has ended, and the end is known. */
  ended(request: RequestActor, end: End, reason: Failure | null): void;
  /** The receiver cannot announce the end. */
  announce(request: RequestActor, end: End, reason: Failure | null): void;
}

const owners = new Owners<RequestActor, RequestEffects>();
const logic = owners.provide(requestMachine, {
  startTransfer: (owner, _, { batch }) => owner.startTransfer(batch),
  startTransfers: (owner) => owner.startTransfers(),
  releaseOffered: (owner) => owner.releaseOffered(),
  settleTransfers: (owner) => owner.settleTransfers(),
  cancelTransfers: (owner, _, { failure }) => owner.cancelTransfers(failure),
  sendAbort: (owner, { context }) => owner.sendAbort(context),
  sendDrained: (owner, { context }) => owner.sendDrained(context),
  inquire: (owner) => owner.inquire(),
  resolveDoubt: (owner, { context }) => owner.resolveDoubt(context),
  announce: (owner, { context }) => owner.announce(context),
  reportUnknown: (owner) => owner.reportUnknown(),
  reportEnded: (owner, { context }) => owner.reportEnded(context),
  reportUnexpected: (owner, { event }) => owner.ignored(event.type),
});

export class RequestActor {
  readonly task: RequestTask;
  readonly #env: AgentEnv;
  readonly #listener: RequestListener;
  readonly #actor: Actor<typeof requestMachine>;
  readonly #startedMs: number;
  /** What the actor is about, as observers see it. */
  readonly #about: { request: string; epoch: string; peer?: string; rank?: number; rankCount?: number };
  #deadlineMs: number;
  #route: Route | undefined;
  readonly #batches: PutBatches;
  readonly #calls: RequestCalls;
  /** What this side has done with the chunks that were handed over to the request. */
  readonly parts = new TakenParts();
  readonly #transfers: Transfers;
  #over = false;
  /** When this side last agreed to an end, on the agent's clock. */
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(env: AgentEnv, task: RequestTask, listener: RequestListener) {
    this.task = task;
    this.#env = env;
    this.#listener = listener;
    this.#startedMs = env.clock.now();
    this.#deadlineMs = this.#startedMs + task.timeoutMs;
    this.#route = task.route;
    this.#batches = new PutBatches(env, task);
    this.#calls = new RequestCalls(env, task, () => this.#askedMs);
    this.#transfers = new Transfers(env, task.request, {
      committed: (batch) => tell(this.#actor, { type: 'transfer.committed', batch }),
      aborted: (batch, failure, { undrained, unanswered }) => {
        const drained = undrained === undefined;
        tell(this.#actor, { type: 'transfer.aborted', batch, failure, drained, unanswered });
      },
      ended: (end, failure) => this.receiverReported(end, failure),
    });
    const { request, route, totalChunks, timeoutMs } = task;
    const { inquireIntervalMs, tombstoneMs } = env.options;
    const times = { timeoutMs, inquireIntervalMs, tombstoneMs };
    const hasRanks = route?.ranks !== undefined;
    const input = { request, epoch: env.epoch, receiver: route?.peer.agent ?? null, totalChunks, hasRanks, ...times };
    this.#about = { request, epoch: env.epoch, ...aboutRoute(route) };
    this.#actor = createActor(logic, { id: `request ${env.epoch}/${request}`, input, clock: env.clock });
    owners.start(this.#actor, this, {
      task: { about: this.#about },
      actors: env.actors,
      onError: (error) => this.#crashed(error),
    });
  }

  /** What the next batch is checked against. */
  get soFar(): PutSoFar {
    const { route, totalChunks, session } = this.task;
    const snapshot = this.#actor.getSnapshot();
    return {
      receiver: route?.peer.agent,
      totalChunks,
      ranks: route?.ranks,
      session,
      batches: this.#batches.count,
      chunks: this.#batches.chunks,
      lastIn: this.#batches.lastIn,
      isOpen: !this.#batches.lastIn && (snapshot.matches({ running: 'open' }) || snapshot.matches('offered')),
    };
  }

  /** Undefined while the request is offered. */
  get route(): Route | undefined {
    return this.#route;
  }

  /** Bytes of the longest chunk so far. */
  get longestChunk(): number {
    return this.#batches.longestChunk;
  }

  /** Sends an offered request on its way. It has so much time from now on. */
  send(route: Route, timeoutMs: number): void {
    this.#route = route;
    this.#deadlineMs = this.#env.clock.now() + timeoutMs;
    Object.assign(this.#about, aboutRoute(route));
    this.#batches.skip(route.skip);
    const { peer, ranks } = route;
    tell(this.#actor, { type: 'request.routed', receiver: peer.agent, timeoutMs, hasRanks: ranks !== undefined });
  }

  /** Ends an offered request without an announcement: this agent announces another end for its ranks. */
  withdraw(failure: Failure): void {
    tell(this.#actor, { type: 'request.withdrawn', failure });
  }

  /** When the request expires, on the agent's clock. */
  get deadlineMs(): number {
    return this.#deadlineMs;
  }

  get ageMs(): number {
    return this.#env.clock.now() - this.#startedMs;
  }

  /** Takes a batch that `checkPut` has accepted. */
  add(batch: PutBatch): void {
    this.#batches.add(batch);
    tell(this.#actor, { type: 'batch.added', batch: batch.batch, chunks: batch.chunks.length, last: batch.last });
  }

  cancel(failure: Failure): void {
    tell(this.#actor, { type: 'request.cancel', failure });
  }

  receiverLost(failure: Failure): void {
    tell(this.#actor, { type: 'receiver.lost', failure });
  }

  /** The receiver has recorded this end. */
  receiverReported(end: End, failure: Failure | null): void {
    tell(this.#actor, { type: 'request.ended', end, failure });
  }

  joinResolved(batch: number): void {
    this.#transfers.joinResolved(batch);
  }

  /** The receiver has admitted a batch that waited. */
  allocated(notice: PeerRequest<'allocated'>): void {
    this.#transfers.allocated(notice);
  }

  /** As `Transfers.handOver`. */
  handOver(message: PeerRequest<'handover'>): Promise<Body<PeerReply<'handover'>>> {
    return this.#transfers.handOver(message);
  }

  /** Whether a message about the request was sent, so that the receiver may know it. */
  get mayBeKnown(): boolean {
    return this.#transfers.isMentioned;
  }

  /** This side has agreed to the end that the receiver announces, before the request was put. */
  promised(): void {
    tell(this.#actor, { type: 'confirm.agreed' });
  }

  /** From now on this side announces nothing. */
  mute(): void {
    this.#over = true;
    this.#actor.stop();
  }

  /**
   * Before it announces an end, the receiver asks for the end that this side has announced. Undefined when there is none:
   * this side agrees to the end that the receiver announces. Its question shows that it lives.
   */
  confirm(receiverEpoch: string): { readonly end: End; readonly reason: Failure | undefined } | undefined {
    const { end, failure, receiverAnnounces } = this.#actor.getSnapshot().context;
    if (end !== null && !receiverAnnounces) return { end, reason: failure ?? undefined };
    // The lead of several ranks may have been restarted: then the receiver of this rank is another process.
    if (receiverEpoch === this.#route?.peer.epoch) {
      this.#askedMs = this.#env.clock.now();
      this.#route.peer.liveness.heard();
    }
    tell(this.#actor, { type: 'confirm.agreed' });
    return undefined;
  }

  row(): RequestRow {
    const { value, context } = this.#actor.getSnapshot();
    return defined({
      request: this.task.request,
      epoch: this.#env.epoch,
      side: 'sender' as const,
      session: this.task.session,
      rank: this.#route?.ranks?.rank,
      state: stateName(value),
      ageMs: Math.round(this.ageMs),
      batches: context.batches,
      chunks: context.chunks,
      end: context.end ?? undefined,
      reason: context.failure ?? undefined,
    });
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  startTransfer(number: number): void {
    const { request, memory } = this.task;
    const { peer, ranks } = this.#taken;
    const batch = this.#batches.get(number);
    const about = { request, totalChunks: chunksToSend(this.task, this.#taken), ranks, peer, memory };
    this.#transfers.start({ ...about, parts: this.parts, deadlineMs: this.#deadlineMs, ...batch });
  }

  startTransfers(): void {
    for (const number of this.#batches.numbers) this.startTransfer(number);
  }

  releaseOffered(): void {
    this.#batches.giveBack();
  }

  settleTransfers(): void {
    this.#transfers.settle();
  }

  cancelTransfers(failure: Failure): void {
    this.#transfers.cancel(failure);
  }

  async sendAbort({ wish, request }: RequestContext): Promise<void> {
    const { peer } = this.#taken;
    const isCertain = !this.mayBeKnown || peer.isProvenDead;
    if (isCertain || peer.isGone) {
      tell(this.#actor, { type: isCertain ? 'end.certain' : 'abort.unreachable' });
      return;
    }
    try {
      await this.#abort(wish);
    } catch (error) {
      this.#env.logger.warn({ request, code: toFailure(error).code, err: error }, 'abort not acknowledged');
      tell(this.#actor, { type: peer.isProvenDead ? 'end.certain' : 'abort.unreachable' });
    }
  }

  async resolveDoubt({ wish, request }: RequestContext): Promise<void> {
    const { clock, living, logger, options } = this.#env;
    const { attemptTimeoutMs, inquireIntervalMs } = options;
    while (!this.#over && this.#actor.getSnapshot().matches({ aborting: 'doubting' })) {
      await sleep(clock, inquireIntervalMs);
      const startedMs = clock.now();
      try {
        const answer = await living.ask(this.#taken.peer, attemptTimeoutMs);
        // A receiver that has come back from an outage since may have this side's agreement to its end.
        if (answer === 'silent' || this.#askedMs >= startedMs) continue;
        const insistence = { deadlineMs: clock.now() + attemptTimeoutMs, isLost: () => false };
        if (answer === 'alive') await this.#abort(wish, insistence);
        else {
          this.#taken.peer.replaced();
          tell(this.#actor, { type: 'end.certain' });
        }
      } catch (error) {
        logger.debug({ request, code: toFailure(error).code }, 'the end at the receiver is not known yet');
      }
    }
  }

  /**
   * Lets the receiver free its quarantined pages. When no write can land any more, the sender reports that. Otherwise it
   * gives up the connections of the writes that may, unless newer ones have replaced them. The receiver revokes their remote
   * keys when the sender connects again.
   */
  async sendDrained({ end, drained }: RequestContext): Promise<void> {
    const route = this.#route;
    if (route === undefined || !route.peer.wasConnected || route.peer.isGone) return;
    if (!drained) for (const connection of this.#transfers.undrained) route.peer.broken(connection);
    else if (end !== 'ready') await this.#calls.drained(route);
  }

  async inquire(): Promise<void> {
    const { request } = this.task;
    const { waiting } = this.#transfers;
    if (!this.mayBeKnown || (waiting.length === 0 && !this.#batches.lastIn)) return;
    try {
      const reply = await this.#calls.inquire(this.#taken, waiting, this.#deadlineMs);
      if (reply.end !== undefined) this.receiverReported(reply.end, reply.reason ?? null);
      for (const row of reply.batches ?? []) this.#transfers.learned(row);
    } catch (error) {
      const failure = toFailure(error);
      // Until every batch is committed, `allocate` may still be on its way to the receiver.
      const settling = this.#actor.getSnapshot().matches({ running: 'settling' });
      if (failure.code === 'unknown_request' && settling) {
        this.receiverLost(failure);
        return;
      }
      const level = refusalLevel(failure.code);
      this.#env.logger[level]({ request, code: failure.code, err: error }, 'inquire not answered');
    }
  }

  announce({ receiverAnnounces, end, failure }: RequestContext): void {
    if (!receiverAnnounces) this.#listener.announce(this, end ?? 'failed', failure);
  }

  reportUnknown(): void {
    const about = { request: this.task.request, peer: this.#taken.peer.agent };
    this.#env.counters.add('ends_unknown');
    this.#env.logger.error(about, 'the end that the receiver may have announced is not known');
  }

  reportEnded({ end, failure }: RequestContext): void {
    this.#over = true;
    this.#listener.ended(this, end ?? 'failed', failure);
  }

  ignored(event: string): void {
    this.#env.logger.debug({ request: this.task.request, event }, 'event ignored');
  }

  // ------------------------------------------------------------------------------------------------------------------

  /** Asks the receiver to end the request as `wish` says, and passes on the end that it has recorded. */
  async #abort(wish: RequestContext['wish'], insistence?: Insistence): Promise<void> {
    tell(this.#actor, { type: 'abort.acknowledged', ...(await this.#calls.abort(this.#taken, wish, insistence)) });
  }

  /** The route of a request that is not offered any more. */
  get #taken(): Route {
    if (this.#route === undefined) throw new Error(`request ${this.task.request} has no receiver yet`);
    return this.#route;
  }

  /** Whether the receiver may have announced an end, or may still do so. The machine that threw may not know it yet. */
  get #isInDoubt(): boolean {
    return isInDoubt({
      agreed: Number.isFinite(this.#askedMs),
      hasRanks: this.#route?.ranks !== undefined,
      lastIn: this.#batches.lastIn,
      unanswered: this.#transfers.isUnanswered,
    });
  }

  /** The receiver announces the end: the one that it has announced already, or `failed`. */
  async #leaveTo(failure: Failure): Promise<void> {
    const { counters, logger } = this.#env;
    counters.add('ends_unknown');
    try {
      await this.#abort({ end: 'failed', failure });
    } catch (error) {
      logger.error({ request: this.task.request, code: toFailure(error).code, err: error }, 'the end is not known');
    }
  }

  /** The machine threw. Only this request ends, as failed. */
  #crashed(error: unknown): void {
    const { request } = this.task;
    this.#env.supervisor.crashed('request', { request }, error);
    if (this.#over) return;
    this.#over = true;
    const failure: Failure = { code: 'internal', message: `request ${request} failed: ${String(error)}` };
    const isDoubtful = this.#isInDoubt;
    if (this.#route === undefined) this.releaseOffered();
    this.cancelTransfers(failure);
    if (isDoubtful) void this.#leaveTo(failure);
    else this.#listener.announce(this, 'failed', failure);
    this.#listener.ended(this, 'failed', failure);
  }
}

function aboutRoute(route: Route | undefined) {
  return route === undefined ? {} : defined({ peer: route.peer.agent, ...aboutRank(route.ranks) });
}
