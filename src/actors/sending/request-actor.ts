/** Runs one request machine: its transfers, its abort, and its end. */
import { type Actor, createActor } from 'xstate';
import { isInDoubt, type RequestContext, type RequestEffects, requestMachine } from '../../../machines/request.js';
import type { Body } from '../../protocol/body.js';
import { toFailure, unknownRequest } from '../../protocol/codec.js';
import { defined } from '../../protocol/defined.js';
import type { Failure } from '../../protocol/fields.js';
import type { RequestRow } from '../../protocol/operations.js';
import type { PeerReply, PeerRequest } from '../../protocol/peer-messages.js';
import type { End } from '../../protocol/subjects.js';
import type { AgentEnv } from '../env/agent-env.js';
import { sleep } from '../env/timers.js';
import { aboutRank } from '../observing/journal.js';
import { refusalLevel } from '../observing/log-level.js';
import { stateName } from '../observing/state-name.js';
import { callPeer, type Insistence } from '../peers/peer-call.js';
import type { Connection } from '../peers/receiver-peer.js';
import { Owners, tell } from '../running/owners.js';
import type { PutSoFar } from './check-put.js';
import type { Batch, RequestTask } from './request-task.js';
import { TakenParts } from './taken-parts.js';
import { TransferActor } from './transfer-actor.js';
import { untilGone } from './until-gone.js';

export interface RequestListener {
  /** Every write has ended, and the end is known. */
  ended(request: RequestActor, end: End, reason: Failure | null): void;
  /** The receiver cannot announce the end. */
  announce(request: RequestActor, end: End, reason: Failure | null): void;
}

const owners = new Owners<RequestActor, RequestEffects>();
const logic = owners.provide(requestMachine, {
  startTransfer: (owner, _, { batch }) => owner.startTransfer(batch),
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
  readonly #deadlineMs: number;
  readonly #batches = new Map<number, Batch>();
  /** What this side has done with the chunks that were handed over to the request. */
  readonly parts = new TakenParts();
  /** Connections of writes that may still land. */
  readonly #undrained = new Set<Connection>();
  /** Transfers that have not ended. */
  readonly #transfers = new Map<number, TransferActor>();
  #chunks = 0;
  #lastIn = false;
  #over = false;
  #mayBeKnown = false;
  /** A transfer has ended without the answer to its `allocate` or `commit`. */
  #unanswered = false;
  /** When this side last agreed to an end, on the agent's clock. */
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(env: AgentEnv, task: RequestTask, listener: RequestListener) {
    this.task = task;
    this.#env = env;
    this.#listener = listener;
    this.#startedMs = env.clock.now();
    this.#deadlineMs = this.#startedMs + task.timeoutMs;
    const { request, peer, totalChunks, timeoutMs, ranks } = task;
    const { inquireIntervalMs, tombstoneMs } = env.options;
    const times = { timeoutMs, inquireIntervalMs, tombstoneMs };
    const hasRanks = ranks !== undefined;
    const input = { request, epoch: env.epoch, receiver: peer.agent, totalChunks, hasRanks, ...times };
    this.#actor = createActor(logic, { id: `request ${env.epoch}/${request}`, input, clock: env.clock });
    owners.start(this.#actor, this, {
      task: { about: { request, epoch: env.epoch, peer: peer.agent, ...aboutRank(ranks) } },
      actors: env.actors,
      onError: (error) => this.#crashed(error),
    });
  }

  /** What the next batch is checked against. */
  get soFar(): PutSoFar {
    const { peer, totalChunks, ranks, session } = this.task;
    return {
      receiver: peer.agent,
      totalChunks,
      ranks,
      session,
      batches: this.#batches.size,
      chunks: this.#chunks,
      lastIn: this.#lastIn,
      isOpen: !this.#lastIn && this.#actor.getSnapshot().matches({ running: 'open' }),
    };
  }

  /** When the request expires, on the agent's clock. */
  get deadlineMs(): number {
    return this.#deadlineMs;
  }

  get ageMs(): number {
    return this.#env.clock.now() - this.#startedMs;
  }

  /** Takes a batch that `checkPut` has accepted. */
  add(batch: Batch): void {
    this.#batches.set(batch.batch, batch);
    this.#chunks += batch.chunks.length;
    this.#lastIn = batch.last;
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
    this.#transfers.get(batch)?.joinResolved();
  }

  /** The receiver has admitted a batch that waited. */
  allocated({ batch, allocation }: PeerRequest<'allocated'>): void {
    void this.#transfers.get(batch)?.allocated(allocation);
  }

  /** Rejects `unknown_request` when the transfer of the batch has ended; otherwise as `TransferActor.handOver`. */
  async handOver(message: PeerRequest<'handover'>): Promise<Body<PeerReply<'handover'>>> {
    const transfer = this.#transfers.get(message.batch);
    if (transfer === undefined) throw unknownRequest(this.task.request);
    return transfer.handOver(message);
  }

  /** Whether a message about the request was sent, so that the receiver may know it. */
  get mayBeKnown(): boolean {
    return this.#mayBeKnown;
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
    if (receiverEpoch === this.task.peer.epoch) {
      this.#askedMs = this.#env.clock.now();
      this.task.peer.liveness.heard();
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
      rank: this.task.ranks?.rank,
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
    const { request, peer, memory, totalChunks, ranks } = this.task;
    const batch = this.#batches.get(number);
    if (batch === undefined) throw new Error(`request ${request} has no batch ${number}`);
    const about = { request, totalChunks, ranks, peer, memory };
    const task = { ...about, parts: this.parts, deadlineMs: this.#deadlineMs, ...batch };
    const transfer = new TransferActor(this.#env, task, {
      committed: (which) => {
        this.#transfers.delete(which);
        tell(this.#actor, { type: 'transfer.committed', batch: which });
      },
      aborted: (which, failure, { undrained, unanswered }) => {
        this.#transfers.delete(which);
        if (undrained !== undefined) this.#undrained.add(undrained);
        this.#unanswered ||= unanswered;
        const drained = undrained === undefined;
        tell(this.#actor, { type: 'transfer.aborted', batch: which, failure, drained, unanswered });
      },
      mentioned: () => {
        this.#mayBeKnown = true;
      },
      ended: (end, failure) => this.receiverReported(end, failure),
    });
    this.#transfers.set(number, transfer);
  }

  settleTransfers(): void {
    for (const transfer of [...this.#transfers.values()]) transfer.settle();
  }

  cancelTransfers(failure: Failure): void {
    for (const transfer of [...this.#transfers.values()]) transfer.cancel(failure);
  }

  async sendAbort({ wish, request }: RequestContext): Promise<void> {
    const { peer } = this.task;
    if (!this.#mayBeKnown || peer.isProvenDead) {
      tell(this.#actor, { type: 'end.certain' });
      return;
    }
    if (peer.isGone) {
      tell(this.#actor, { type: 'abort.unreachable' });
      return;
    }
    try {
      await this.#abort(wish, this.#untilGone());
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
      try {
        const answer = await living.ask(this.task.peer, attemptTimeoutMs);
        if (answer === 'silent') continue;
        if (answer === 'alive')
          await this.#abort(wish, { deadlineMs: clock.now() + attemptTimeoutMs, isLost: () => false });
        else {
          this.task.peer.replaced();
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
  async sendDrained({ end, drained, request, epoch }: RequestContext): Promise<void> {
    const { peer } = this.task;
    if (!peer.wasConnected || peer.isGone) return;
    if (!drained) {
      for (const connection of this.#undrained) peer.broken(connection);
      return;
    }
    if (end === 'ready') return;
    try {
      await callPeer(this.#env, peer, 'drained', () => ({ request, epoch }), this.#untilGone());
    } catch (error) {
      // The receiver keeps the pages in quarantine until it fences this epoch.
      this.#env.logger.warn({ request, code: toFailure(error).code, err: error }, 'drain not acknowledged');
    }
  }

  async inquire(): Promise<void> {
    const { request, peer } = this.task;
    const { epoch } = this.#env;
    const waiting = [...this.#transfers].filter(([, transfer]) => transfer.isWaiting).map(([batch]) => batch);
    if (!this.#mayBeKnown || (waiting.length === 0 && !this.#lastIn)) return;
    const batches = waiting.length === 0 ? undefined : waiting;
    try {
      const options = { deadlineMs: this.#deadlineMs, isLost: () => peer.isLost };
      const body = defined({ request, epoch, batches });
      const reply = await callPeer(this.#env, peer, 'inquire', () => body, options);
      if (reply.end !== undefined) this.receiverReported(reply.end, reply.reason ?? null);
      for (const row of reply.batches ?? []) this.#transfers.get(row.batch)?.learned(row);
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
    const { request, peer } = this.task;
    this.#env.counters.add('ends_unknown');
    this.#env.logger.error({ request, peer: peer.agent }, 'the end that the receiver may have announced is not known');
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
  async #abort(wish: RequestContext['wish'], insistence: Insistence): Promise<void> {
    const { request, peer, totalChunks, ranks } = this.task;
    const { epoch, options } = this.#env;
    if (wish === null) throw new Error(`request ${request} is given up without a reason`);
    const body = { agent: options.agent, request, epoch, totalChunks, end: wish.end, reason: wish.failure, ranks };
    const reply = await callPeer(this.#env, peer, 'abort', () => body, insistence);
    tell(this.#actor, { type: 'abort.acknowledged', end: reply.end, failure: reply.reason ?? null });
  }

  /** See `untilGone`. */
  #untilGone(): Insistence {
    return untilGone(this.#env, this.task.peer, () => this.#askedMs);
  }

  /** Whether the receiver may have announced an end, or may still do so. The machine that threw may not know it yet. */
  get #isInDoubt(): boolean {
    return isInDoubt({
      agreed: Number.isFinite(this.#askedMs),
      hasRanks: this.task.ranks !== undefined,
      lastIn: this.#lastIn,
      unanswered: this.#unanswered || [...this.#transfers.values()].some(({ isUnanswered }) => isUnanswered),
    });
  }

  /** The receiver announces the end: the one that it has announced already, or `failed`. */
  async #leaveTo(failure: Failure): Promise<void> {
    const { counters, logger } = this.#env;
    counters.add('ends_unknown');
    try {
      await this.#abort({ end: 'failed', failure }, this.#untilGone());
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
    this.cancelTransfers(failure);
    if (isDoubtful) void this.#leaveTo(failure);
    else this.#listener.announce(this, 'failed', failure);
    this.#listener.ended(this, 'failed', failure);
  }
}
