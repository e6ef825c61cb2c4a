/** Runs one transfer machine: messages to the receiver, the write, and the release of source memory. */
import { type Actor, createActor } from 'xstate';
import type { TransferPart } from '../../../machines/allocation.js';
import { type TransferEffects, transferMachine } from '../../../machines/transfer.js';
import type { FabricWrite, WriteItem, WriteOutcome } from '../../ports/fabric.js';
import type { Body } from '../../protocol/body.js';
import { ReplyError, toFailure } from '../../protocol/codec.js';
import { invalidField, KvferryError } from '../../protocol/errors.js';
import { compressLengths, type Failure } from '../../protocol/fields.js';
import type { PeerReply, PeerRequest } from '../../protocol/peer-messages.js';
import type { AgentEnv } from '../env/agent-env.js';
import { callPeer, type Insistence } from '../peers/peer-call.js';
import type { Connection } from '../peers/receiver-peer.js';
import { Owners, tell } from '../running/owners.js';
import { releaseSource } from './release-source.js';
import type { SourceChunk, TransferListener, TransferTask } from './transfer-task.js';
import { breaksConnection, failureOfWrite, faultOfProvider, staleGrant, WriteRepeats } from './write-failures.js';

type Allocated = NonNullable<PeerReply<'allocate'>['allocation']>;
export type BatchState = NonNullable<PeerReply<'inquire'>['batches']>[number];

/**
 * The remote key of a batch may be revoked before the batch is written. The sender then asks again under its next key, and the
 * receiver binds the pages to it. Each attempt has another key, so only connections that break one after the other, or a
 * receiver that does not work, lead to many.
 */
const ALLOCATE_ATTEMPTS_MAX = 8;

const owners = new Owners<TransferActor, TransferEffects>();
const logic = owners.provide(transferMachine, {
  sendAllocate: (owner) => owner.sendAllocate(),
  startWrite: (owner, { context }) => owner.startWrite(context.current),
  stopWrite: (owner) => owner.stopWrite(),
  sendCommit: (owner, { context }) => owner.sendCommit(context.current),
  releaseSource: (owner, _, { positions }) => owner.releaseSource(positions),
  reportCommitted: (owner) => owner.reportCommitted(),
  reportAborted: (owner, { context }) => owner.reportAborted(context.failure, context.drained),
  reportUnexpected: (owner, { event }) => owner.ignored(event.type),
});

export class TransferActor {
  readonly #env: AgentEnv;
  readonly #task: TransferTask;
  readonly #listener: TransferListener;
  readonly #actor: Actor<typeof transferMachine>;
  /** By part: the connection under whose remote key the receiver allocated the pages. */
  readonly #connections = new Map<number, Connection>();
  #write: FabricWrite | undefined;
  /** The connection of the latest write. */
  #writesBy: Connection | undefined;
  /** The last `allocate` or `commit` has no answer. */
  #unanswered = false;
  readonly #repeats = new WriteRepeats();
  /** Chunks that the fabric may be reading. */
  #reading: ReadonlySet<number> = new Set();

  constructor(env: AgentEnv, task: TransferTask, listener: TransferListener) {
    this.#env = env;
    this.#task = task;
    this.#listener = listener;
    const input = {
      transfer: `${env.epoch}/${task.request}/${task.batch}`,
      batch: task.batch,
      chunkCount: task.chunks.length,
      arenaPages: task.peer.arena.pages,
      drainTimeoutMs: env.options.writeDrainTimeoutMs,
    };
    this.#actor = createActor(logic, { id: `transfer ${input.transfer}`, input, clock: env.clock });
    const { request, batch, deadlineMs } = task;
    const endsMs = () => (this.#isTaking() ? deadlineMs : undefined);
    owners.start(this.#actor, this, {
      task: { about: { request, epoch: env.epoch, batch, peer: task.peer.agent }, endsMs },
      actors: env.actors,
      onError: (error) => this.#crashed(error),
    });
  }

  cancel(failure: Failure): void {
    tell(this.#actor, { type: 'transfer.cancel', failure });
  }

  /** The receiver has announced the request ready. */
  settle(): void {
    tell(this.#actor, { type: 'transfer.settle' });
  }

  /** Every chunk that this batch had joined is ready. */
  joinResolved(): void {
    tell(this.#actor, { type: 'join.resolved' });
  }

  /** Whether the transfer waits for pages, or for the bytes of other requests. */
  get isWaiting(): boolean {
    return this.#isIn('queued') || this.#isIn('joining');
  }

  /** An `allocate` or `commit` has no answer, so it may complete the request later. */
  get isUnanswered(): boolean {
    return this.#unanswered;
  }

  /** The receiver has answered how far a batch that waits is. It replaces a notice that was lost. */
  learned({ state, joinsPending }: BatchState): void {
    if (this.#isIn('queued') && state !== 'queued') tell(this.#actor, { type: 'allocate.again' });
    else if (this.#isIn('joining') && joinsPending === 0) this.joinResolved();
  }

  /** The receiver has admitted the batch, which waited. */
  async allocated(allocated: Allocated): Promise<void> {
    try {
      await this.#take(allocated);
    } catch (error) {
      const failure = toFailure(error);
      // The answer to an `allocate` that is under way has the present remote key.
      if (failure.code !== 'stale_grant') tell(this.#actor, { type: 'allocate.failed', failure });
      else if (this.#isIn('queued')) tell(this.#actor, { type: 'allocate.again' });
    }
  }

  /**
   * Takes over chunks whose writer is lost. Idempotent. Resolves when their write begins. Rejects `stale_grant` when the pages
   * belong to another remote key than that of the present connection, and `request_active` when the transfer gives up.
   */
  async handOver(message: PeerRequest<'handover'>): Promise<Body<PeerReply<'handover'>>> {
    const { part, grant, positions, pages, generations } = message;
    const { batch, parts } = this.#task;
    if (pages.length !== positions.length || generations.length !== positions.length) {
      throw invalidField('pages', 'pages and generations must have the same length as positions');
    }
    const connection = await this.#connected();
    const repeated = parts.answer(batch, part);
    if (repeated !== undefined) return repeated;
    if (connection.grant !== grant) throw parts.refuse(batch, part, staleGrant(grant, connection));
    if (!this.#isTaking()) throw parts.refuse(batch, part, this.#givenUp());
    this.#connections.set(part, connection);
    const answer = parts.offer(batch, part);
    const placements = positions.map((position, index) => ({
      position,
      page: pages[index] as number,
      generation: generations[index] as number,
    }));
    tell(this.#actor, { type: 'join.handed-over', part: { part, placements } });
    return answer;
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  async sendAllocate(): Promise<void> {
    const { peer } = this.#task;
    let connection: Connection | undefined;
    for (let attempt = 1; ; attempt += 1) {
      try {
        connection = await this.#connected();
        // The transfer was cancelled in between. The receiver does not know the batch, and must not get it any more.
        if (!this.#isIn('allocating')) return;
        const { allocation, end } = await this.#allocate(connection);
        if (allocation === undefined) tell(this.#actor, { type: 'allocate.queued' });
        else await this.#take(allocation);
        if (end !== undefined) this.#listener.ended(end, null);
        return;
      } catch (error) {
        if (this.#hasEnded(error) || !this.#isIn('allocating')) return;
        const failure = toFailure(error);
        if (failure.code !== 'stale_grant' || connection === undefined || attempt >= ALLOCATE_ATTEMPTS_MAX) {
          tell(this.#actor, { type: 'allocate.failed', failure });
          return;
        }
        peer.broken(connection);
      }
    }
  }

  async startWrite({ part, placements }: TransferPart): Promise<void> {
    const connection = this.#connections.get(part) as Connection;
    const { request, batch, chunks, peer } = this.#task;
    if (part > 0 && !this.#takesOver(part, connection, placements.length)) return;
    const items: WriteItem[] = placements.map(({ position, page }) => {
      const { segment, offset, length, pieces } = chunks[position] as SourceChunk;
      const item = { segment, sourceOffset: offset, targetOffset: page * peer.arena.pageBytes, length };
      return pieces === undefined ? item : { ...item, pieces };
    });
    this.#writesBy = connection;
    this.#write = connection.fabric.write(items);
    this.#reading = new Set(placements.map(({ position }) => position));
    const outcome = await this.#write.done;
    this.#reading = new Set();
    if (outcome.bytes > 0) peer.delivers(connection);
    const fault = faultOfProvider(outcome, peer.hasDelivered(connection));
    if (fault !== undefined) peer.passOver(connection, fault);
    else if (breaksConnection(outcome)) peer.broken(connection);
    // A broken connection ends many writes at once.
    if (outcome.status !== 'delivered') await this.#env.turns.next(chunks.length);
    this.#env.counters.add('bytes_written', outcome.bytes);
    const { provider } = connection.fabric;
    const about = { request, epoch: this.#env.epoch, batch };
    this.#env.tracer?.wrote(about, { provider, chunks: items.length, bytes: outcome.bytes });
    this.#writeEnded(part, outcome, connection);
  }

  stopWrite(): void {
    this.#write?.stop();
  }

  async sendCommit({ part, placements }: TransferPart): Promise<void> {
    const { request, batch, chunks, peer, deadlineMs } = this.#task;
    const body = {
      request,
      epoch: this.#env.epoch,
      batch,
      part,
      pages: placements.map(({ page }) => page),
      generations: placements.map(({ generation }) => generation),
      lengths: compressLengths(placements.map(({ position }) => (chunks[position] as SourceChunk).length)),
    };
    try {
      const { end } = await this.#ask('commit', () => body, { deadlineMs, isLost: () => peer.isLost });
      tell(this.#actor, { type: 'commit.accepted' });
      if (end !== undefined) this.#listener.ended(end, null);
    } catch (error) {
      if (this.#hasEnded(error)) return;
      tell(this.#actor, { type: 'commit.failed', failure: toFailure(error) });
    }
  }

  releaseSource(positions: readonly number[]): void {
    const read = positions.filter((position) => this.#reading.has(position));
    this.#release(positions.filter((position) => !this.#reading.has(position)));
    // A write that does not drain ends with its connection, which is given up for it.
    if (read.length > 0) void this.#write?.done.then(() => this.#release(read));
  }

  reportCommitted(): void {
    this.#task.parts.refuseOffers(this.#task.batch, this.#givenUp());
    this.#listener.committed(this.#task.batch);
  }

  reportAborted(failure: Failure | null, drained: boolean): void {
    this.#task.parts.refuseOffers(this.#task.batch, this.#givenUp());
    const reason = failure ?? { code: 'internal', message: 'a transfer was aborted without a reason' };
    this.#listener.aborted(this.#task.batch, reason, {
      undrained: drained ? undefined : this.#writesBy,
      unanswered: this.#unanswered,
    });
  }

  ignored(event: string): void {
    const { request, batch } = this.#task;
    this.#env.logger.debug({ request, batch, event }, 'event ignored');
  }

  // ------------------------------------------------------------------------------------------------------------------

  #writeEnded(part: number, outcome: WriteOutcome, connection: Connection): void {
    const { batch, peer, parts } = this.#task;
    if (outcome.status === 'delivered') {
      parts.ended(batch, part, { state: 'written' });
      tell(this.#actor, { type: 'write.delivered' });
      return;
    }
    parts.ended(batch, part, { state: 'failed', drained: outcome.drained });
    // A part that was handed over is bound to its remote key, and is not written under another.
    if (part === 0 && this.#isIn('writing') && this.#repeats.allow(outcome, peer.isPassedOver(connection))) {
      this.#env.counters.add('writes_repeated');
      tell(this.#actor, { type: 'write.again', drained: outcome.drained });
      return;
    }
    if (outcome.status === 'failed' && outcome.code === 'write_rejected') this.#env.counters.add('writes_rejected');
    tell(this.#actor, { type: 'write.failed', failure: failureOfWrite(outcome), drained: outcome.drained });
  }

  #release(positions: readonly number[]): void {
    const { request, batch, memory, skipped } = this.#task;
    const put = positions.map((position) => position + skipped);
    releaseSource(this.#env, memory, { request, batch, positions: put });
  }

  /**
   * The receiver has given the batch its pages. They are written under their own remote key, and no other. Rejects
   * `stale_grant`, and writes nothing, when the connection has another key by now.
   */
  async #take({ grant, ...allocation }: Allocated): Promise<void> {
    // A notice that comes late says nothing about a `commit` that is under way.
    if (!this.#isIn('allocating') && !this.#isIn('queued')) return;
    this.#unanswered = false;
    const connection = allocation.pages.length === 0 ? undefined : await this.#connected();
    if (!this.#isIn('allocating') && !this.#isIn('queued')) return;
    if (connection !== undefined) {
      if (connection.grant !== grant) throw staleGrant(grant, connection);
      this.#connections.set(0, connection);
    }
    tell(this.#actor, { type: 'allocate.replied', allocation });
  }

  /** Begins to write chunks that were handed over, unless their connection was replaced: then they are handed over again. */
  #takesOver(part: number, connection: Connection, chunks: number): boolean {
    const { request, batch, peer, parts } = this.#task;
    const { counters, logger } = this.#env;
    if (!peer.isPresent(connection)) {
      parts.refuse(
        batch,
        part,
        new KvferryError('stale_grant', `grant ${connection.grant} is revoked`, { field: 'grant' }),
      );
      tell(this.#actor, { type: 'write.refused' });
      return false;
    }
    parts.take(batch, part);
    counters.add('chunks_taken_over', chunks);
    logger.info({ request, batch, part, chunks }, 'joined chunks taken over');
    return true;
  }

  #givenUp(): KvferryError {
    return new KvferryError('request_active', `request ${this.#task.request} is being given up`, { field: 'request' });
  }

  #connected(): Promise<Connection> {
    const { peer, deadlineMs, chunks } = this.#task;
    return peer.connected(deadlineMs, chunks.length);
  }

  #allocate(connection: Connection): Promise<PeerReply<'allocate'>> {
    const { request, batch, last, totalChunks, ranks, chunks, peer, deadlineMs } = this.#task;
    const { epoch } = this.#env;
    const body = {
      request,
      epoch,
      grant: connection.grant,
      batch,
      last,
      totalChunks,
      ranks,
      keys: chunks.map((chunk) => chunk.key),
      lengths: compressLengths(chunks.map((chunk) => chunk.length)),
    };
    return this.#ask('allocate', (timeoutMs) => ({ ...body, timeoutMs }), {
      deadlineMs,
      isLost: () => peer.isLost || !this.#isIn('allocating'),
    });
  }

  /** Sends a message that may complete the request. Until it is answered, the receiver may announce `ready` (P12). */
  async #ask<O extends 'allocate' | 'commit'>(
    operation: O,
    body: (timeLeftMs: number) => Omit<PeerRequest<O>, 'v'>,
    insistence: Insistence,
  ): Promise<PeerReply<O>> {
    let copies = 0;
    const counted = (timeLeftMs: number) => {
      copies += 1;
      this.#unanswered = true;
      this.#listener.mentioned();
      return body(timeLeftMs);
    };
    try {
      const reply = await callPeer(this.#env, this.#task.peer, operation, counted, insistence);
      this.#unanswered = false;
      return reply;
    } catch (error) {
      // The refusal of one copy says nothing about another copy that may still arrive.
      if (error instanceof ReplyError && copies === 1) this.#unanswered = false;
      throw error;
    }
  }

  #isIn(state: 'allocating' | 'queued' | 'writing' | 'joining'): boolean {
    return this.#actor.getSnapshot().matches(state);
  }

  /** Whether the transfer would still write chunks that are handed over to it. */
  #isTaking(): boolean {
    const taking = ['allocating', 'queued', 'writing', 'committing', 'joining'] as const;
    return taking.some((state) => this.#actor.getSnapshot().matches(state));
  }

  /** Whether the receiver answered that the request has ended. That end counts, not the failure of this message. */
  #hasEnded(error: unknown): boolean {
    if (!(error instanceof ReplyError) || error.code !== 'request_ended' || error.end === undefined) return false;
    this.#listener.ended(error.end, toFailure(error));
    return true;
  }

  /** The machine threw. Releases the source memory; a write that may still run counts as not drained. */
  #crashed(error: unknown): void {
    const { request, batch } = this.#task;
    this.#env.supervisor.crashed('transfer', { request, batch }, error);
    this.#write?.stop();
    this.#task.parts.refuseOffers(batch, this.#givenUp());
    this.releaseSource(this.#actor.getSnapshot().context.held);
    const reason = new KvferryError('internal', `transfer ${request}/${batch} failed`, { cause: error });
    this.#listener.aborted(batch, toFailure(reason), { undrained: this.#writesBy, unanswered: true });
  }
}
