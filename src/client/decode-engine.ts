/** The engine's side of a decode agent: acquires what has arrived, reads it in the arena, and releases it. */
import { SystemClock } from '../control/system-clock.js';
import type { ClockPort } from '../ports/clock.js';
import { isKvferryError, KvferryError } from '../protocol/errors.js';
import { ACQUIRE_KEYS_MAX } from '../protocol/limits.js';
import { inMessages, jsonBytes } from '../protocol/message-room.js';
import type { OperationReply } from '../protocol/operations.js';
import { type Acquired, AcquiredChunks, type ArenaPlace } from './acquired-chunks.js';
import { type OpenArena, openArena } from './arena-file.js';
import type { CallOptions, KvferryClient } from './kvferry-client.js';
import { CALL_TIMEOUT_MS, PATIENCE_MS, repeated } from './repeated.js';

/** Whose leases they are: `request` and `epoch` of the terminal event, or a name and 16 hexadecimal digits of a reader. */
export interface Holder {
  readonly request: string;
  readonly epoch: string;
}

export interface DecodeEngineOptions {
  readonly client: KvferryClient;
  /** The decode agent. */
  readonly agent: string;
  /** How long the agent or an answer may be away before a call is given up; 0: no call is repeated. Default: 10 s. */
  readonly patienceMs?: number;
  /** Time for one answer, after which the call is repeated. Default: 2 s. Milliseconds. */
  readonly callTimeoutMs?: number;
  readonly clock?: ClockPort;
  readonly openArena?: OpenArena;
}

/** What an `acquire` takes apart from its keys. */
const FRAME_BYTES = 512;

type AcquireReply = OperationReply<'acquire'>;

export class DecodeEngine {
  readonly agent: string;
  readonly #client: KvferryClient;
  readonly #clock: ClockPort;
  readonly #openArena: OpenArena;
  readonly #call: CallOptions;
  readonly #patienceMs: number;

  constructor({
    client,
    agent,
    callTimeoutMs = CALL_TIMEOUT_MS,
    patienceMs = PATIENCE_MS,
    ...options
  }: DecodeEngineOptions) {
    this.agent = agent;
    this.#client = client;
    this.#clock = options.clock ?? new SystemClock();
    this.#openArena = options.openArena ?? openArena;
    this.#call = { timeoutMs: callTimeoutMs };
    this.#patienceMs = patienceMs;
  }

  /**
   * Looks chunks up and leases them: all chunks of the request, or those of `keys`. Look a chunk up by its key: the order of
   * the reply need not be that of the prompt. Rejects `request_active` before the request has ended, `request_ended` when it
   * was not ready or its leases are over, `receiver_lost` when the agent is restarted meanwhile or its arena cannot be opened,
   * and as the client does when the patience is over. When it rejects, the agent may hold leases all the same: call it again, or
   * `release`. Otherwise they end by time.
   */
  async acquire({ request, epoch }: Holder, keys?: readonly string[]): Promise<AcquiredChunks> {
    const askedMs = this.#clock.now();
    const replies: AcquireReply[] = [];
    /** An answer has as many keys as fit, and says where the next one goes on. */
    const ask = async (part: { readonly keys?: string[] }) => {
      for (let from: number | undefined = 0; from !== undefined; ) {
        const input = { request, epoch, ...part, ...(from === 0 ? {} : { from }) };
        const reply: AcquireReply = await this.#repeated(() => this.#client.acquire(this.agent, input, this.#call));
        replies.push(reply);
        if (reply.next !== undefined && reply.next <= from) {
          throw inconsistent(`next is ${reply.next} after ${from}`, 'next');
        }
        from = reply.next;
      }
    };
    if (keys === undefined) {
      await ask({});
    } else if (keys.length > 0) {
      for (const part of inMessages(keys, ACQUIRE_KEYS_MAX, jsonBytes, this.#client.messageBytesMax - FRAME_BYTES)) {
        await ask({ keys: part });
      }
    }
    const acquired = joined(replies, askedMs);
    const { path } = acquired.arena;
    const file = path === undefined ? undefined : await this.#openArena(path);
    return new AcquiredChunks(acquired, file, this.#clock, () => this.release({ request, epoch }));
  }

  /**
   * Gives all leases of the holder back, read or not. Resolves too when there is nothing left to give back. Rejects as the
   * client does when the patience is over.
   */
  async release({ request, epoch }: Holder): Promise<void> {
    try {
      await this.#repeated(() => this.#client.release(this.agent, { request, epoch }, this.#call));
    } catch (error) {
      if (!isKvferryError(error, 'unknown_request', 'request_ended')) throw error;
    }
  }

  #repeated<T>(call: () => Promise<T>): Promise<T> {
    return repeated(this.#clock, this.#patienceMs, call);
  }
}

function inconsistent(what: string, field: string): KvferryError {
  return new KvferryError('inconsistent_reply', `the reply to acquire does not fit together: ${what}`, { field });
}

/** The replies to one question, as one. The leases of the first one end first. */
function joined(replies: readonly AcquireReply[], askedMs: number): Acquired {
  const [first] = replies;
  if (first === undefined) throw new KvferryError('invalid_field', 'no key was named', { field: 'keys' });
  const { arena, leaseMs } = first;
  if (replies.some((reply) => reply.arena.epoch !== arena.epoch)) {
    throw new KvferryError('receiver_lost', `the agent of arena ${arena.path ?? arena.epoch} was restarted`);
  }
  const places = new Map<string, ArenaPlace>();
  for (const { keys, pages, lengths } of replies) {
    if (pages.length !== keys.length || lengths.length !== keys.length) {
      throw inconsistent(`${keys.length} keys, ${pages.length} pages, ${lengths.length} lengths`, 'pages');
    }
    for (const [index, key] of keys.entries()) {
      const [page, length] = [pages[index] as number, lengths[index] as number];
      if (page >= arena.pages || length > arena.pageBytes) {
        throw inconsistent(`page ${page} with ${length} bytes is not in the arena`, `pages[${index}]`);
      }
      places.set(key, { page, offset: page * arena.pageBytes, length });
    }
  }
  const missing = replies.flatMap((reply) => reply.missing);
  return { arena, places, missing, leaseEndsMs: askedMs + leaseMs };
}
