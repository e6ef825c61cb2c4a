/** One request on its way out of a prefill agent: numbers the batches, repeats them safely, knows the epoch and the end. */

import { defined } from '../protocol/defined.js';
import { isKvferryError, KvferryError } from '../protocol/errors.js';
import type { Ranks } from '../protocol/fields.js';
import type { MessageHeaders } from '../protocol/headers.js';
import type { OperationReply } from '../protocol/operations.js';
import type { End } from '../protocol/subjects.js';
import { cutIntoBatches } from './cut-into-batches.js';
import type { SessionRef } from './engine-session.js';
import type { Lendings } from './lendings.js';
import type { Outcome, Settled } from './order-session.js';
import { type PutTarget, putBatch } from './put-batch.js';
import type { RequestEnd, RequestEnds } from './request-ends.js';
import type { SourceChunk } from './source-memory.js';
import { sourceRuns } from './source-runs.js';
import { type WaitOptions, waitFor } from './wait-for.js';

/** A request is announced at its deadline; this much later its event counts as lost. */
const ANNOUNCE_GRACE_MS = 10_000;

export interface RequestPlan {
  /** The router's name for the prompt. Use a name once. */
  readonly request: string;
  /** The decode agent. Undefined: the chunks are offered, and `KvferryClient.route` names it later. */
  readonly receiver?: string | undefined;
  /** Chunks of all batches together. */
  readonly totalChunks: number;
  /** Time for the whole request, from the arrival of its first batch. Milliseconds. */
  readonly timeoutMs: number;
  /** Only of a request over several tensor-parallel ranks. */
  readonly ranks?: Ranks | undefined;
  /** Go with every batch: the trace that the request belongs to. */
  readonly headers?: MessageHeaders | undefined;
}

export interface OutgoingRequestOptions extends PutTarget {
  readonly ends: RequestEnds;
  /** Of memory that is used again. Without it the caller answers for the chunks' bytes. */
  readonly lendings?: Lendings;
  /** Time for one answer. Default: that of the client. Milliseconds. */
  readonly callTimeoutMs?: number | undefined;
}

export class OutgoingRequest {
  readonly plan: RequestPlan;
  readonly #options: OutgoingRequestOptions;
  readonly #end: Promise<RequestEnd>;
  /** The session that has executed the first batch. */
  #session: SessionRef | undefined;
  /** The session to which the last batch was sent. */
  #sentIn: SessionRef | undefined;
  #batches = 0;
  #chunks = 0;
  /** The batch that is being put, if any, and those before it. */
  #turn: Promise<unknown> = Promise.resolve();
  #failure: unknown;

  /** Expects the terminal event from now on. Sends nothing. */
  constructor(plan: RequestPlan, options: OutgoingRequestOptions) {
    this.plan = plan;
    this.#options = options;
    this.#end = options.ends.expect(plan.request, agentsOf(plan, options.session.agent));
    this.#confine(options.session.current);
  }

  /** The process that has accepted the request; undefined before the first batch is accepted. */
  get epoch(): string | undefined {
    return this.#session?.epoch;
  }

  /**
   * Hands over the next chunks; resolves with the epoch when the agent has accepted them. They are one batch, or several when
   * one message cannot carry them. The batch that
   * completes `totalChunks` is the last one unless `last` says otherwise. The agent may read the chunks from this call on.
   *
   * A put without an answer is repeated for as long as the engine's patience; the agent executes it once. Rejects with the agent's
   * error (`unknown_receiver`, `request_ended`, …), with `sender_lost` when the agent was restarted since the request began, with
   * `session_ended` when the agent has ended the session, or as the client does. After a rejection the request takes no further batch.
   */
  async put(chunks: readonly SourceChunk[], { last }: { readonly last?: boolean } = {}): Promise<string> {
    const turn = this.#turn.then(() => this.#putAll(chunks, last));
    this.#turn = turn.catch((error: unknown) => {
      this.#failure ??= error;
    });
    return turn;
  }

  /**
   * Gives the request up, after the batch that is being put. A later `put` rejects `cancelled_by_caller`. Resolves with the end if
   * the request had ended, and with undefined when the agent acts on it, does not know the request, or was restarted. The terminal event says what came of it; before the first `put` there is none.
   */
  async cancel(): Promise<End | undefined> {
    await this.#turn;
    const wasBegun = this.#batches > 0 || this.#failure !== undefined;
    this.#failure ??= new KvferryError('cancelled_by_caller', `request ${this.plan.request} was cancelled`);
    if (!wasBegun) {
      this.#options.ends.forget(this.plan.request);
      return undefined;
    }
    const { request } = this.plan;
    const cancelled = await this.#options.session.order(
      'cancel',
      { request },
      { call: this.#call, only: this.#session },
    );
    if (cancelled.executed) return cancelled.reply.end;
    const { error } = cancelled;
    if (isKvferryError(error, 'unknown_request', 'sender_lost', 'session_ended')) return undefined;
    throw error;
  }

  /**
   * Resolves when the request has ended, however. Rejects `deadline_exceeded` when no terminal event came (default: 10 s
   * after the request's own time): ask with `askEnd` then. Rejects `too_many_requests` as `RequestEnds.expect` does.
   */
  end({ timeoutMs, signal }: WaitOptions = {}): Promise<RequestEnd> {
    const { request } = this.plan;
    const limitMs = timeoutMs ?? this.plan.timeoutMs + ANNOUNCE_GRACE_MS;
    const late = `no agent announced the end of request ${request} within ${limitMs} ms`;
    return waitFor(this.#end, late, this.#options.clock, { timeoutMs: limitMs, signal });
  }

  /** Resolves with the terminal event `ready`. Rejects with the reason of any other end, and as `end` does. */
  async ready(options: WaitOptions = {}): Promise<RequestEnd> {
    const end = await this.end(options);
    if (end.event.end === 'ready') return end;
    const { code = 'internal', message = 'no reason was given' } = end.event.reason ?? {};
    throw new KvferryError(code, `request ${this.plan.request} ended ${end.event.end}: ${message}`);
  }

  async #putAll(chunks: readonly SourceChunk[], lastGiven: boolean | undefined): Promise<string> {
    const { session, lendings } = this.#options;
    const last = lastGiven ?? this.#chunks + chunks.length === this.plan.totalChunks;
    const batches = cutIntoBatches(chunks, this.plan.ranks, session.messageBytesMax, this.plan.receiver === undefined);
    let epoch = '';
    for (const [index, batch] of batches.entries()) {
      try {
        epoch = await this.#put(batch, last && index === batches.length - 1);
      } catch (error) {
        // The agent does not get the batches after the refused one.
        lendings?.discard(batches.slice(index + 1).flat());
        throw error;
      }
    }
    return epoch;
  }

  async #put(chunks: readonly SourceChunk[], last: boolean): Promise<string> {
    const { lendings, ends } = this.#options;
    if (this.#failure !== undefined) {
      lendings?.discard(chunks);
      throw this.#failure;
    }
    const { request, receiver, totalChunks, timeoutMs, ranks } = this.plan;
    const batch = this.#batches;
    try {
      lendings?.lend(request, batch, chunks);
    } catch (error) {
      // Nothing was sent, so no event will announce an end.
      if (batch === 0) ends.forget(request);
      throw error;
    }
    const message = {
      request,
      batch,
      last,
      totalChunks,
      timeoutMs,
      keys: chunks.map(({ key }) => key),
      source: sourceRuns(chunks),
      ...defined({ receiver, ranks }),
    };
    const outcome = await putBatch(this.#options, message, {
      call: this.#call,
      only: this.#session,
      onSending: (session) => {
        lendings?.sending(request, batch, session);
        this.#confine(session);
        this.#sentIn = session;
      },
    });
    if (!outcome.executed) throw this.#failed(batch, outcome);
    lendings?.accepted(request, batch);
    this.#session = this.#sentIn;
    this.#batches += 1;
    this.#chunks += chunks.length;
    return outcome.reply.epoch;
  }

  /** Memory of the batch comes back now, or when it is known whether the agent took it. */
  #failed(batch: number, { error, doubt }: Exclude<Outcome<OperationReply<'put'>>, { executed: true }>): KvferryError {
    const { lendings, ends } = this.#options;
    const { request } = this.plan;
    if (doubt !== undefined) {
      lendings?.doubtful(request, batch);
      void doubt.then((settled) => this.#settled(batch, settled));
      return error;
    }
    lendings?.refused(request, batch);
    // The request has not begun, so no event will announce its end.
    if (batch === 0) ends.forget(request);
    return error;
  }

  /**
   * When it is lost what became of the batch, the engine asks the agent which memory it still reads. Without its session the batch
   * stays in doubt: the agent may still have the order.
   */
  #settled(batch: number, { state }: Settled<unknown>): void {
    const { lendings, ends, session } = this.#options;
    const { request } = this.plan;
    if (state === 'never') {
      lendings?.refused(request, batch);
      // The request has not begun, so no event will announce its end.
      if (batch === 0) ends.forget(request);
    } else if (state === 'executed' || this.#sentIn?.id === session.current?.id) {
      lendings?.accepted(request, batch);
    }
  }

  /** Only the process of this session can accept the request. Ranks of one request have several. */
  #confine(session: SessionRef | undefined): void {
    if (session === undefined || this.plan.ranks !== undefined) return;
    this.#options.ends.confine(this.plan.request, session.epoch);
  }

  get #call() {
    return defined({ timeoutMs: this.#options.callTimeoutMs, headers: this.plan.headers });
  }
}

/** The agents that send and receive the request. Undefined while a router has not named the receiver. */
function agentsOf({ receiver, ranks }: RequestPlan, sender: string): string[] | undefined {
  if (receiver === undefined) return undefined;
  return [sender, receiver, ...(ranks?.members ?? []).flatMap((member) => [member.sender, member.receiver])];
}
