/**
 * A sender's view of one receiver epoch: whether it is alive, and the connection that carries the bytes. It takes the first
 * provider of its options that the receiver offers, that can reach the receiver, and that connects. Every provider that
 * fails is logged, counted, and listed in `status` as a fallback.
 */
import type { FabricConnection, FabricEndpoint, Provider } from '../../ports/fabric.js';
import { fromFailure, toFailure } from '../../protocol/codec.js';
import { defined } from '../../protocol/defined.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { DescribeReply, PeerRow } from '../../protocol/operations.js';
import type { AgentEnv } from '../env/agent-env.js';
import { callPeer, type Peer } from './peer-call.js';
import { PeerLiveness } from './peer-liveness.js';

/** A usable way to the receiver, and the remote key it uses. */
export interface Connection {
  readonly grant: string;
  readonly fabric: FabricConnection;
}

export interface ReceiverPeerListener {
  /** A number for the next connection, larger than all before it in this process. */
  nextConnection(): number;
  lost(failure: Failure): void;
}

interface Waiter {
  resolve(connection: Connection): void;
  reject(error: KvferryError): void;
}

export class ReceiverPeer implements Peer {
  readonly side = 'receiver';
  readonly agent: string;
  readonly epoch: string;
  readonly liveness: PeerLiveness;
  readonly arena: { readonly pageBytes: number; readonly pages: number };
  readonly #env: AgentEnv;
  readonly #description: DescribeReply;
  readonly #listener: ReceiverPeerListener;
  readonly #waiters = new Set<Waiter>();
  #connection: Connection | undefined;
  /** The peer is lost only because no provider connects. It still answers messages. */
  #isAnswering = false;
  #isProvenDead = false;
  #fallback: string[] = [];
  #attempt = 0;

  constructor(
    env: AgentEnv,
    description: DescribeReply,
    arena: { readonly pageBytes: number; readonly pages: number },
    listener: ReceiverPeerListener,
  ) {
    this.#env = env;
    this.#description = description;
    this.#listener = listener;
    this.agent = description.agent;
    this.epoch = description.epoch;
    this.arena = arena;
    this.liveness = new PeerLiveness(env, this, description.heartbeatMs, {
      openConnection: () => this.#open(),
      connected: () => this.#wake(),
      lost: (failure, cause) => this.#lose(failure, cause),
    });
    this.liveness.start();
  }

  get isLost(): boolean {
    return this.liveness.lost !== undefined;
  }

  /** The receiver has died, left or fallen silent. False while it only cannot be connected to. */
  get isGone(): boolean {
    return this.isLost && !this.#isAnswering;
  }

  /** The death of this epoch is proven: the receiver has said that it leaves, or another epoch answers under its name. */
  get isProvenDead(): boolean {
    return this.#isProvenDead;
  }

  /** Whether the receiver ever granted a remote key, and so may know of this agent's requests. */
  get wasConnected(): boolean {
    return this.#connection !== undefined;
  }

  /** Replaces the connection `broken`, which fails or may still deliver. The receiver fences it when the peer connects again. */
  broken(broken: Connection): void {
    if (this.#connection === broken) this.breakConnection();
  }

  /** Replaces the current connection, so that the receiver fences it. */
  breakConnection(): void {
    this.liveness.connection({ type: 'connection.broken' });
  }

  /** The connection, as soon as it is open. Rejects `receiver_lost`, or `deadline_exceeded` after `deadlineMs`. */
  connected(deadlineMs: number): Promise<Connection> {
    if (this.liveness.lost !== undefined) return Promise.reject(fromFailure(this.liveness.lost));
    if (this.#connection !== undefined && this.liveness.isConnected) return Promise.resolve(this.#connection);
    const { clock } = this.#env;
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        resolve: (connection) => finish(() => resolve(connection)),
        reject: (error) => finish(() => reject(error)),
      };
      const finish = (settle: () => void) => {
        clock.clearTimeout(timer);
        this.#waiters.delete(waiter);
        settle();
      };
      const timer = clock.setTimeout(
        () => waiter.reject(new KvferryError('deadline_exceeded', `agent ${this.agent} was not connected in time`)),
        Math.max(0, deadlineMs - clock.now()),
      );
      this.#waiters.add(waiter);
    });
  }

  row(): PeerRow {
    const { agent, epoch } = this;
    const { state } = this.liveness;
    const { provider, detail } = this.#connection?.fabric ?? {};
    return { agent, epoch, side: 'receiver', state, ...defined({ provider, detail }), fallback: this.#fallback };
  }

  async close(): Promise<void> {
    this.liveness.stop();
    await this.#connection?.fabric.close();
  }

  // ------------------------------------------------------------------------------------------------------------------

  async #open(): Promise<void> {
    this.#attempt += 1;
    const attempt = this.#attempt;
    try {
      const connection = await this.#connect(this.#env.clock.now() + this.#env.options.connectTimeoutMs);
      if (attempt !== this.#attempt || this.isLost) {
        await connection.fabric.close();
        return;
      }
      this.#connection = connection;
      this.liveness.connection({ type: 'connection.opened' });
    } catch (error) {
      if (attempt !== this.#attempt) return;
      this.liveness.connection({ type: 'connection.failed', failure: toFailure(error) });
    }
  }

  #wake(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    for (const waiter of [...this.#waiters]) waiter.resolve(connection);
  }

  #lose(failure: Failure, cause: Failure): void {
    this.#isAnswering = cause.code === 'connection_failed';
    this.#isProvenDead = cause.code === 'stale_epoch' || cause.code === 'agent_draining';
    const error = fromFailure(failure);
    for (const waiter of [...this.#waiters]) waiter.reject(error);
    this.#connection?.fabric.close().catch((err: unknown) => {
      this.#env.logger.warn({ peer: this.agent, err }, 'connection did not close');
    });
    this.#listener.lost(failure);
  }

  /** Tries the providers in order. Rejects `connection_failed`, with the reason of each, when none connects. */
  async #connect(deadlineMs: number): Promise<Connection> {
    const { logger, counters, options } = this.#env;
    await this.#connection?.fabric.close();
    this.#fallback = [];
    for (const provider of options.providers) {
      try {
        return await this.#connectBy(provider, this.#endpointOf(provider), deadlineMs);
      } catch (error) {
        const reason = toFailure(error).message;
        this.#fallback.push(`${provider}: ${reason}`);
        counters.add('provider_fallbacks');
        logger.warn({ peer: this.agent, provider, reason }, 'provider does not connect, trying the next');
      }
    }
    const reasons = this.#fallback.join('; ');
    const message = `cannot connect to agent ${this.agent}: every provider failed: ${reasons}`;
    throw new KvferryError('connection_failed', message);
  }

  async #connectBy(provider: Provider, endpoint: FabricEndpoint, deadlineMs: number): Promise<Connection> {
    const { clock, epoch, fabric, logger, options } = this.#env;
    const connection = this.#listener.nextConnection();
    const body = { agent: options.agent, epoch, heartbeatMs: options.heartbeatMs, provider, connection };
    const insistence = { deadlineMs, isLost: () => this.isLost };
    const { grant } = await callPeer(this.#env, this, 'connect', () => body, insistence);
    const timeoutMs = Math.max(1, deadlineMs - clock.now());
    const opened = await fabric.connect(endpoint, grant, { timeoutMs });
    logger.info({ peer: this.agent, provider, detail: opened.detail }, 'connected to receiver');
    return { grant: grant.id, fabric: opened };
  }

  /** The receiver's endpoint of `provider`. Throws `provider_unavailable`, with the reason, when either side lacks it. */
  #endpointOf(provider: Provider): FabricEndpoint {
    const { fabric } = this.#env;
    const reasonIn = (rows: DescribeReply['unavailable']) => rows.find((row) => row.provider === provider)?.reason;
    const endpoint = this.#description.endpoints.find((offered) => offered.provider === provider);
    if (endpoint === undefined) {
      const reason = reasonIn(this.#description.unavailable);
      throw new KvferryError('provider_unavailable', reason ?? `agent ${this.agent} does not offer this provider`);
    }
    if (!fabric.canReach(endpoint)) {
      const reason = reasonIn([...fabric.unavailable()]);
      throw new KvferryError('provider_unavailable', reason ?? 'this agent cannot reach the endpoint');
    }
    return endpoint;
  }
}
