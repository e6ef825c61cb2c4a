/** Runs one transfer machine: its messages to the receiver, its write, and the source memory it gives back. */
import { type Actor, createActor } from 'xstate';
import type { TransferPart } from '../../../machines/allocation.js';
import { type TransferEffects, transferMachine } from '../../../machines/transfer.js';
import type { FabricWrite, WriteItem, WriteOutcome } from '../../ports/fabric.js';
import { ReplyError, toFailure } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import { compressLengths, type Failure, type Ranks } from '../../protocol/fields.js';
import type { PeerReply, PeerRequest } from '../../protocol/peer-messages.js';
import type { AgentEnv } from '../env/agent-env.js';
import { callPeer } from '../peers/peer-call.js';
import type { Connection, ReceiverPeer } from '../peers/receiver-peer.js';
import { Owners, tell } from '../running/owners.js';

/** One chunk of the batch: where its bytes lie on this side. */
export interface SourceChunk {
  readonly key: string;
  readonly segment: string;
  readonly offset: number;
  readonly length: number;
}

export interface TransferTask {
  readonly request: string;
  readonly batch: number;
  readonly last: boolean;
  readonly totalChunks: number;
  readonly ranks: Ranks | undefined;
  readonly chunks: readonly SourceChunk[];
  readonly peer: ReceiverPeer;
  /** When the request must have ended, on the agent's clock. */
  readonly deadlineMs: number;
}

export interface TransferListener {
  /** The source memory of these positions is not read any more. */
  released(batch: number, positions: readonly number[]): void;
  committed(batch: number): void;
  aborted(batch: number, failure: Failure, drained: boolean): void;
  /** The receiver answered that the request has already ended, and how. */
  ended(error: ReplyError): void;
}

/**
 * A remote key may have been revoked behind the sender's back. Then the receiver has not looked at the batch, and it is asked
 * again under a new one. Refused once more, its pages were given out under the one before, and cannot be had.
 */
const ALLOCATE_ATTEMPTS_MAX = 2;

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
  /** By part: the connection whose remote key its pages were given out for. */
  readonly #connections = new Map<number, Connection>();
  #write: FabricWrite | undefined;
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
    owners.start(this.#actor, this, {
      task: { about: { request, epoch: env.epoch, batch, peer: task.peer.agent }, deadlineMs },
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

  /** Every chunk this batch had joined is ready. */
  joinResolved(): void {
    tell(this.#actor, { type: 'join.resolved' });
  }

  /**
   * Takes over chunks whose writer is gone. Repeating it is harmless. Rejects `stale_grant` when the pages were given out
   * for another remote key than the one there is, `request_active` when the transfer is being given up.
   */
  async handOver({ part, grant, positions, pages, generations }: PeerRequest<'handover'>): Promise<void> {
    const { peer, deadlineMs, request, batch } = this.#task;
    if (this.#connections.has(part)) return;
    if (pages.length !== positions.length || generations.length !== positions.length) {
      throw new KvferryError('invalid_field', 'as many pages and generations as positions', { field: 'pages' });
    }
    const connection = await peer.connected(deadlineMs);
    if (connection.grant !== grant) {
      throw new KvferryError('stale_grant', `grant ${grant} is not that of the connection`, { field: 'grant' });
    }
    if (!this.#isTaking()) {
      throw new KvferryError('request_active', `request ${request} is being given up`, { field: 'request' });
    }
    if (this.#connections.has(part)) return;
    this.#connections.set(part, connection);
    this.#env.counters.add('chunks_taken_over', positions.length);
    this.#env.logger.info({ request, batch, part, chunks: positions.length }, 'takes over joined chunks');
    const placements = positions.map((position, index) => ({
      position,
      page: pages[index] as number,
      generation: generations[index] as number,
    }));
    tell(this.#actor, { type: 'join.handed-over', part: { part, placements } });
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  async sendAllocate(): Promise<void> {
    const { peer, deadlineMs } = this.#task;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const connection = await peer.connected(deadlineMs);
        // Cancelled meanwhile: the receiver has not heard of this batch, and shall not.
        if (!this.#isIn('allocating')) return;
        this.#connections.set(0, connection);
        const { pages, generations, alreadySent, joined } = await this.#allocate(connection);
        tell(this.#actor, { type: 'allocate.replied', allocation: { pages, generations, alreadySent, joined } });
        return;
      } catch (error) {
        if (this.#hasEnded(error) || !this.#isIn('allocating')) return;
        const failure = toFailure(error);
        if (failure.code === 'receiver_lost') peer.liveness.left(failure);
        const connection = this.#connections.get(0);
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
    const items: WriteItem[] = placements.map(({ position, page }) => {
      const { segment, offset, length } = chunks[position] as SourceChunk;
      return { segment, sourceOffset: offset, targetOffset: page * peer.arena.pageBytes, length };
    });
    this.#write = connection.fabric.write(items);
    this.#reading = new Set(placements.map(({ position }) => position));
    const outcome = await this.#write.done;
    this.#reading = new Set();
    this.#env.counters.add('bytes_written', outcome.bytes);
    const { provider } = connection.fabric;
    const about = { request, epoch: this.#env.epoch, batch };
    this.#env.tracer?.wrote(about, { provider, chunks: items.length, bytes: outcome.bytes });
    if (outcome.status === 'delivered') {
      tell(this.#actor, { type: 'write.delivered' });
      return;
    }
    if (outcome.status === 'failed' && outcome.code === 'write_rejected') this.#env.counters.add('writes_rejected');
    if (!outcome.drained || (outcome.status === 'failed' && outcome.code !== 'segment_invalid'))
      peer.broken(connection);
    tell(this.#actor, { type: 'write.failed', failure: failureOfWrite(outcome), drained: outcome.drained });
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
      await callPeer(this.#env, peer, 'commit', () => body, { deadlineMs, isLost: () => peer.isLost });
      tell(this.#actor, { type: 'commit.accepted' });
    } catch (error) {
      if (this.#hasEnded(error)) return;
      const failure = toFailure(error);
      if (failure.code === 'receiver_lost') peer.liveness.left(failure);
      tell(this.#actor, { type: 'commit.failed', failure });
    }
  }

  releaseSource(positions: readonly number[]): void {
    const release = (which: readonly number[]) => {
      if (which.length > 0) this.#listener.released(this.#task.batch, which);
    };
    const read = positions.filter((position) => this.#reading.has(position));
    release(positions.filter((position) => !this.#reading.has(position)));
    // A write that does not drain ends with its connection, which is given up for it.
    if (read.length > 0) void this.#write?.done.then(() => release(read));
  }

  reportCommitted(): void {
    this.#listener.committed(this.#task.batch);
  }

  reportAborted(failure: Failure | null, drained: boolean): void {
    const reason = failure ?? { code: 'internal', message: 'a transfer was aborted without a reason' };
    this.#listener.aborted(this.#task.batch, reason, drained);
  }

  ignored(event: string): void {
    const { request, batch } = this.#task;
    this.#env.logger.debug({ request, batch, event }, 'event ignored');
  }

  // ------------------------------------------------------------------------------------------------------------------

  #allocate(connection: Connection): Promise<PeerReply<'allocate'>> {
    const { request, batch, last, totalChunks, ranks, chunks, peer, deadlineMs } = this.#task;
    const { epoch } = this.#env;
    const body = {
      ...{ request, epoch, grant: connection.grant, batch, last, totalChunks, ranks },
      keys: chunks.map((chunk) => chunk.key),
      lengths: compressLengths(chunks.map((chunk) => chunk.length)),
    };
    return callPeer(this.#env, peer, 'allocate', (timeoutMs) => ({ ...body, timeoutMs }), {
      deadlineMs,
      isLost: () => peer.isLost || !this.#isIn('allocating'),
    });
  }

  #isIn(state: 'allocating'): boolean {
    return this.#actor.getSnapshot().matches(state);
  }

  /** Would what is handed over to it still be written? */
  #isTaking(): boolean {
    const taking = ['allocating', 'writing', 'committing', 'joining'] as const;
    return taking.some((state) => this.#actor.getSnapshot().matches(state));
  }

  /** Did the receiver answer that the request has ended? Then that is the news, not this message's failure. */
  #hasEnded(error: unknown): boolean {
    if (!(error instanceof ReplyError) || error.code !== 'request_ended' || error.end === undefined) return false;
    this.#listener.ended(error);
    return true;
  }

  /** The machine threw. What it held is given back, and a write it may have left behind counts as not drained. */
  #crashed(error: unknown): void {
    const { request, batch } = this.#task;
    this.#env.supervisor.crashed('transfer', { request, batch }, error);
    this.#write?.stop();
    this.releaseSource(this.#actor.getSnapshot().context.held);
    const reason = new KvferryError('internal', `transfer ${request}/${batch} failed`, { cause: error });
    this.#listener.aborted(batch, toFailure(reason), this.#write === undefined);
  }
}

function failureOfWrite(outcome: Exclude<WriteOutcome, { status: 'delivered' }>): Failure {
  if (outcome.status === 'failed') return { code: outcome.code, message: outcome.message };
  return { code: 'cancelled_by_caller', message: 'the write was stopped' };
}
