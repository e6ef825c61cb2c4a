/** Carries out what follows from a command of the store: answers senders, informs requests, hands chunks over. */
import { ReplyError, toFailure } from '../../protocol/codec.js';
import type { ErrorCode } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { PeerRequest } from '../../protocol/peer-messages.js';
import { type HolderId, nameOf } from '../../store/holder.js';
import type { StoreCommand, StoreEffect } from '../../store/messages.js';
import type { AgentEnv } from '../env/agent-env.js';
import { requestFields } from '../observing/log-fields.js';
import { refusalLevel } from '../observing/log-level.js';
import { callPeer, notifyPeer } from '../peers/peer-call.js';
import type { SenderDirectory } from '../peers/sender-directory.js';
import type { Allocations } from './allocations.js';
import type { IngestActor } from './ingest-actor.js';
import type { Ingests } from './ingests.js';
import type { StoreActor } from './store-actor.js';

type Allocated = PeerRequest<'allocated'>['allocation'];
type Effect<Type extends StoreEffect['type']> = Extract<StoreEffect, { type: Type }>;

/**
 * Refusals of a hand-over by a sender that remembers which parts of the request it has taken. They prove that it has not taken
 * this one, and never will. Any other answer proves nothing.
 */
const NEVER_TAKEN: ReadonlySet<ErrorCode> = new Set([
  'stale_grant',
  'request_active',
  'request_ended',
  'invalid_field',
]);

export interface StoreEffectsParts {
  readonly store: StoreActor;
  readonly allocations: Allocations;
  readonly ingests: Ingests;
  readonly senders: SenderDirectory;
}

export class StoreEffects {
  readonly #env: AgentEnv;
  readonly #parts: StoreEffectsParts;
  /** Name of the request whose sender has sent the message that is being handled. */
  #sender: string | undefined;

  constructor(env: AgentEnv, parts: StoreEffectsParts) {
    this.#env = env;
    this.#parts = parts;
  }

  /** Executes a command that a message of the request's own sender has brought. */
  executeFor<C extends StoreCommand & { readonly holder: HolderId }>(command: C): void {
    this.#sender = nameOf(command.holder);
    try {
      this.#parts.store.execute(command);
    } finally {
      this.#sender = undefined;
    }
  }

  run(effect: StoreEffect): void {
    switch (effect.type) {
      case 'pages.freed':
        this.#env.counters.add('pages_freed', effect.count);
        return;
      case 'allocated':
        this.#allocated(effect);
        return;
      case 'queued':
        this.#queued(effect);
        return;
      case 'refused':
        this.#parts.ingests.get(effect.holder)?.end('failed', effect.reason);
        return;
      case 'chunks.ready': {
        const { type, batch, written, joined } = effect;
        const own = this.#isOwn(effect.holder);
        this.#parts.ingests.get(effect.holder)?.send({ type, batch, written, joined, own });
        return;
      }
      case 'handed.over':
        this.#handedOver(effect);
        return;
      case 'leases.ended':
        this.#parts.ingests.get(effect.holder)?.send({ type: effect.type, cause: effect.cause });
        return;
    }
  }

  #allocated({ holder, batch, grant, allocation, first, last, bytes }: Effect<'allocated'>): void {
    const { pages, generations, alreadySent, joined } = allocation;
    const columns = {
      pages: [...pages],
      generations: [...generations],
      alreadySent: [...alreadySent],
      joined: [...joined],
    };
    const isAnswered = this.#parts.allocations.settle(holder, batch, { allocation: { grant, ...columns } });
    if (!first) return;
    if (!isAnswered) this.#notifyAllocated(holder, batch, { grant, ...columns });
    const { counters } = this.#env;
    counters.add('chunks_written', pages.length);
    counters.add('chunks_deduplicated', alreadySent.length);
    counters.add('chunks_joined', joined.length);
    this.#parts.ingests.get(holder)?.send({
      type: 'batch.allocated',
      batch,
      last,
      written: pages.length,
      ready: alreadySent.length - joined.length,
      joined: joined.length,
      bytes,
      own: this.#isOwn(holder),
    });
  }

  #isOwn(holder: HolderId): boolean {
    return nameOf(holder) === this.#sender;
  }

  /** The batch has waited for pages, so the message that asked for them is answered already. */
  #notifyAllocated({ request, epoch }: HolderId, batch: number, allocation: Allocated): void {
    const ingest = this.#parts.ingests.get({ request, epoch });
    if (ingest === undefined) return;
    notifyPeer(this.#env, { agent: ingest.task.sender, epoch }, 'allocated', { request, epoch, batch, allocation });
  }

  #queued({ holder, batch, charge, held }: Effect<'queued'>): void {
    this.#parts.allocations.settle(holder, batch, {});
    this.#parts.ingests.get(holder)?.send({ type: held ? 'batch.held' : 'batch.queued' });
    if (held) return;
    const { counters, logger } = this.#env;
    counters.add('batches_queued');
    logger.debug({ ...requestFields(holder), batch, charge }, 'batch waits for pages');
  }

  #handedOver(effect: Effect<'handed.over'>): void {
    const ingest = this.#parts.ingests.get(effect.holder);
    if (ingest === undefined) return;
    ingest.send({ type: 'chunks.handed-over', chunks: effect.positions.length, bytes: effect.bytes });
    void this.#handOver(ingest, effect);
  }

  /** Asks the sender of a request that had joined chunks to write them. That sender still has their bytes (P2). */
  async #handOver(ingest: IngestActor, effect: Effect<'handed.over'>): Promise<void> {
    const { counters, logger } = this.#env;
    const { holder, batch, part, grant, positions, pages, generations, from } = effect;
    const log = { ...requestFields(holder), batch, part, chunks: positions.length, from: from?.writer.request };
    counters.add('chunks_handed_over', positions.length);
    logger.info(log, 'joined chunks handed over');
    const sender = { agent: ingest.task.sender, epoch: holder.epoch, side: 'sender' as const };
    const lists = { positions: [...positions], pages: [...pages], generations: [...generations] };
    const body = { ...holder, batch, part, grant, ...lists };
    const isLost = () =>
      this.#parts.senders.get(holder.epoch) === undefined || this.#parts.ingests.get(holder) !== ingest;
    try {
      await callPeer(this.#env, sender, 'handover', () => body, { deadlineMs: ingest.deadlineMs, isLost });
    } catch (error) {
      const failure = toFailure(error);
      counters.add('handovers_refused');
      logger[refusalLevel(failure.code)]({ ...log, code: failure.code, err: error }, 'hand-over refused');
      if (!(error instanceof ReplyError)) return;
      ingest.send({ type: 'chunks.declined', chunks: positions.length, bytes: effect.bytes });
      const taken = NEVER_TAKEN.has(failure.code) ? 'never' : 'unknown';
      this.#parts.store.execute({ type: 'decline', holder, batch, part, taken });
      // The store hands the chunks over again under a new remote key; a request that is being given up ends by itself.
      if (failure.code !== 'stale_grant' && failure.code !== 'request_active') {
        ingest.end('failed', writerFailed(from, failure));
      }
    }
  }
}

/** Why a request ends that had joined a chunk which no request will write. */
function writerFailed(from: Effect<'handed.over'>['from'], refusal: Failure): Failure {
  const reason = from?.reason === undefined ? '' : ` (${from.reason.code}: ${from.reason.message})`;
  const ended = `request ${from?.writer.request} ended${reason} while it was writing a shared chunk`;
  const message = `${ended}, and this request did not take over: ${refusal.code}: ${refusal.message}`;
  return { code: 'writer_failed', message };
}
