/**
 * A sender's view of one receiver epoch: whether it is alive, and the connection that carries the bytes. It takes the first
 * provider that connects (`provider-choice.ts`). Each that is passed over is logged with the reason, counted, and listed in
 * `status` as a fallback.
 */
import { type Actor, createActor } from 'xstate';
import { type ConnectionEffects, connectionMachine } from '../../../machines/connection.js';
import { SILENT_HEARTBEATS_MAX } from '../../../machines/peer.js';
import type { FabricConnection, Provider } from '../../ports/fabric.js';
import type { SealedGrant } from '../../ports/sealed-fabric.js';
import { fromFailure, toFailure } from '../../protocol/codec.js';
import { aboutConnection } from '../../protocol/connection-parties.js';
import { defined } from '../../protocol/defined.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { DescribeReply } from '../../protocol/operations.js';
import type { PeerRow } from '../../protocol/status-rows.js';
import type { AgentEnv } from '../env/agent-env.js';
import type { Loss, Watch } from '../env/living.js';
import { stateName } from '../observing/state-name.js';
import { Owners, tell } from '../running/owners.js';
import { callPeer, type Peer } from './peer-call.js';
import { lossOf } from './peer-loss.js';
import { ProviderChoice } from './provider-choice.js';

/** A usable way to the receiver, and the remote key it uses. */
export interface Connection {
  readonly grant: string;
  readonly fabric: FabricConnection;
}

/** Work about so many chunks that waits for the connection. */
interface Waiting {
  readonly chunks: number;
  readonly wake: () => void;
}

/** A receiver that cannot be reached for longer than this is declared dead, in its heartbeats. */
const UNREACHABLE_HEARTBEATS_MAX = 2 * SILENT_HEARTBEATS_MAX;

export interface ReceiverPeerListener {
  /** A number for the next connection, larger than all before it in this process. */
  nextConnection(): number;
  lost(failure: Failure): void;
}

const owners = new Owners<ReceiverPeer, ConnectionEffects>();
const logic = owners.provide(connectionMachine, {
  open: (owner) => owner.open(),
  reportConnected: (owner) => owner.reportConnected(),
  reportFailed: (owner, { context }) => owner.reportFailed(context.failure),
  reportUnexpected: (owner, { event }) => owner.reportUnexpected(event.type),
});

export class ReceiverPeer implements Peer {
  readonly side = 'receiver';
  readonly agent: string;
  readonly epoch: string;
  readonly liveness: Watch;
  readonly arena: { readonly pageBytes: number; readonly pages: number };
  readonly #env: AgentEnv;
  readonly #description: DescribeReply;
  readonly #choice: ProviderChoice;
  readonly #listener: ReceiverPeerListener;
  readonly #actor: Actor<typeof connectionMachine>;
  /** Those that wait for the connection. */
  readonly #waiting = new Set<Waiting>();
  #connection: Connection | undefined;
  /** Connections that have delivered bytes. */
  readonly #delivering = new WeakSet<Connection>();
  /** Connections that were replaced because their provider failed. */
  readonly #passedOver = new WeakSet<Connection>();
  #lost: Failure | undefined;
  #isReplaced = false;
  #fallback: readonly string[] = [];
  #attempt = 0;

  constructor(
    env: AgentEnv,
    description: DescribeReply,
    arena: { readonly pageBytes: number; readonly pages: number },
    listener: ReceiverPeerListener,
  ) {
    this.#env = env;
    this.#description = description;
    this.#choice = new ProviderChoice(env, description);
    this.#listener = listener;
    this.agent = description.agent;
    this.epoch = description.epoch;
    this.arena = arena;
    this.liveness = env.living.watch(description, (loss) => this.#died(loss));
    const id = `connection ${this.agent}/${this.epoch}`;
    this.#actor = createActor(logic, { id, input: { agent: this.agent }, clock: env.clock });
    owners.start(this.#actor, this, {
      task: { about: { peer: this.agent, epoch: this.epoch } },
      actors: env.actors,
      onError: (error) => this.#crashed(error),
    });
    if (!env.living.isLineUp) this.lineChanged(false);
  }

  /** The receiver is declared dead, or no provider connects to it. */
  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** The receiver is declared dead. False while it only cannot be connected to: then it still answers messages. */
  get isGone(): boolean {
    return this.liveness.loss !== undefined;
  }

  /** The death of this epoch is proven: the receiver has reported that it leaves, or another epoch has its place. */
  get isProvenDead(): boolean {
    return this.#isReplaced || this.liveness.loss?.isProven === true;
  }

  /** The receiver had been silent, and another process has its place now. */
  replaced(): void {
    this.#isReplaced = true;
  }

  /** Whether the receiver ever granted a remote key, and so may know of this agent's requests. */
  get wasConnected(): boolean {
    return this.#connection !== undefined;
  }

  /** Whether writes can use this connection. False once it is being replaced. */
  isPresent(connection: Connection): boolean {
    return this.#connection === connection && this.#isConnected && !this.isLost;
  }

  /** Replaces the connection `broken`, which fails or may still deliver. The receiver fences it when the peer connects again. */
  broken(broken: Connection): void {
    if (this.#connection !== broken) return;
    tell(this.#actor, { type: 'connection.broken' });
  }

  delivers(connection: Connection): void {
    this.#delivering.add(connection);
  }

  hasDelivered(connection: Connection): boolean {
    return this.#delivering.has(connection);
  }

  /** A write failed for a reason of its provider, before any of its bytes was delivered. The connection is replaced. */
  passOver(connection: Connection, reason: string): void {
    const { provider } = connection.fabric;
    // A provider that does not work fails many writes at once.
    if (this.isPresent(connection) && this.#choice.hasOtherThan(provider)) {
      this.#providerFailed(provider, `a write failed: ${reason}`);
      this.#passedOver.add(connection);
    }
    this.broken(connection);
  }

  /** The connection was replaced because its provider failed, and the writes that this ended are repeated over another one. */
  isPassedOver(connection: Connection): boolean {
    return this.#passedOver.has(connection);
  }

  /** The heartbeats of this agent come back from NATS again, or do so no longer. */
  lineChanged(isUp: boolean): void {
    tell(this.#actor, { type: isUp ? 'line.up' : 'line.down' });
  }

  /**
   * The connection, as soon as it is open. Rejects `receiver_lost`, or `deadline_exceeded` after `deadlineMs`. Those that wait
   * with work about so many `chunks` go on one after the other, over several turns when they are many.
   */
  async connected(deadlineMs: number, chunks: number): Promise<Connection> {
    for (;;) {
      if (this.#lost !== undefined) throw fromFailure(this.#lost);
      if (this.#connection !== undefined && this.#isConnected) return this.#connection;
      await this.#changed(deadlineMs, chunks);
    }
  }

  row(): PeerRow {
    const { agent, epoch } = this;
    const { provider, detail } = this.#connection?.fabric ?? {};
    return {
      agent,
      epoch,
      side: 'receiver',
      state: this.#state,
      ...defined({ provider, detail }),
      fallback: [...this.#fallback],
    };
  }

  async close(): Promise<void> {
    this.liveness.close();
    this.#actor.stop();
    await this.#connection?.fabric.close();
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  async open(): Promise<void> {
    this.#attempt += 1;
    const attempt = this.#attempt;
    try {
      const connection = await this.#connect(attempt);
      if (attempt !== this.#attempt || this.isLost) {
        await connection.fabric.close();
        return;
      }
      this.#connection = connection;
      tell(this.#actor, { type: 'connection.opened' });
    } catch (error) {
      if (attempt !== this.#attempt) return;
      tell(this.#actor, { type: 'connection.failed', failure: toFailure(error) });
    }
  }

  reportConnected(): void {
    this.#wake();
  }

  reportFailed(failure: Failure | null): void {
    const cause = failure ?? { code: 'internal', message: 'no reason was given' };
    this.liveness.close();
    this.#lose(lossOf(this.#env, this, cause));
  }

  reportUnexpected(event: string): void {
    this.#env.logger.debug({ peer: this.agent, event }, 'event ignored');
  }

  // ------------------------------------------------------------------------------------------------------------------

  get #isConnected(): boolean {
    return this.#actor.getSnapshot().matches('connected');
  }

  /** As `status` shows it. */
  get #state(): string {
    if (this.isLost) return 'lost';
    const { value } = this.#actor.getSnapshot();
    return `${typeof value === 'string' ? stateName(value) : 'connected'} and ${this.liveness.state}`;
  }

  /** Resolves when the connection is open, or the receiver is lost. Rejects after `deadlineMs`. */
  #changed(deadlineMs: number, chunks: number): Promise<void> {
    const { clock } = this.#env;
    return new Promise((resolve, reject) => {
      const wake = () => {
        clock.clearTimeout(timer);
        resolve();
      };
      const waiting = { chunks, wake };
      const expire = () => {
        this.#waiting.delete(waiting);
        reject(new KvferryError('deadline_exceeded', `agent ${this.agent} was not connected in time`));
      };
      const timer = clock.setTimeout(expire, Math.max(0, deadlineMs - clock.now()));
      this.#waiting.add(waiting);
    });
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const { chunks, wake } of waiting) this.#env.turns.run(chunks, wake);
  }

  #died({ reason }: Loss): void {
    this.#actor.stop();
    this.#lose(lossOf(this.#env, this, reason));
  }

  #lose(failure: Failure): void {
    if (this.isLost) return;
    this.#lost = failure;
    this.#wake();
    this.#connection?.fabric.close().catch((err: unknown) => {
      this.#env.logger.warn({ peer: this.agent, err }, 'connection did not close');
    });
    this.#listener.lost(failure);
  }

  /**
   * Tries the providers in turn. They share the time limit for a connection: each gets an equal part of what is left of it, so
   * one that leads nowhere leaves enough to the next. Rejects `connection_failed`, with the reason of each, when none connects.
   */
  async #connect(attempt: number): Promise<Connection> {
    const { clock, options } = this.#env;
    await this.#connection?.fabric.close();
    const candidates = this.#choice.look();
    let leftMs = options.connectTimeoutMs;
    for (const [index, endpoint] of candidates.entries()) {
      const { provider } = endpoint;
      try {
        const { grant, about } = await this.#askGrant(provider);
        const startedMs = clock.now();
        const timeoutMs = Math.max(1, Math.floor(leftMs / (candidates.length - index)));
        const connecting = this.#env.fabric.connect(endpoint, grant, { timeoutMs, about });
        const opened = await connecting.finally(() => {
          leftMs -= clock.now() - startedMs;
        });
        return this.#connectedBy(opened, grant);
      } catch (error) {
        // The receiver is declared dead, or another attempt goes on: that is no failure of the provider.
        if (this.isLost || attempt !== this.#attempt) throw error;
        this.#providerFailed(provider, toFailure(error).message);
      }
    }
    const message = `cannot connect to agent ${this.agent}: every provider failed: ${this.#choice.reasons().join('; ')}`;
    throw new KvferryError('connection_failed', message);
  }

  #providerFailed(provider: Provider, reason: string): void {
    this.#choice.failed(provider, reason);
    this.#env.logger.warn({ peer: this.agent, provider, reason }, 'provider fails, it is passed over for a minute');
  }

  #connectedBy(opened: FabricConnection, { id, provider }: SealedGrant): Connection {
    const { logger, counters } = this.#env;
    this.#fallback = this.#choice.passedOver(provider);
    if (this.#fallback.length > 0) {
      counters.add('provider_fallbacks');
      logger.warn({ peer: this.agent, provider, passedOver: this.#fallback }, 'connected by a less preferred provider');
    }
    logger.info({ peer: this.agent, provider, detail: opened.detail }, 'connected to receiver');
    return { grant: id, fabric: opened };
  }

  /**
   * Asks the receiver for a remote key. A receiver that cannot be reached is no failed provider: it comes back or is declared
   * dead. So the deadline is later than that, and only a receiver that lives and does not answer meets it.
   */
  async #askGrant(provider: Provider): Promise<{ readonly grant: SealedGrant; readonly about: string }> {
    const { clock, epoch, options, fabric } = this.#env;
    const silenceMs = UNREACHABLE_HEARTBEATS_MAX * this.#description.heartbeatMs;
    const deadlineMs = clock.now() + Math.max(options.connectTimeoutMs, silenceMs);
    const connection = this.#listener.nextConnection();
    const { publicKey } = fabric;
    const body = { epoch, heartbeatMs: options.heartbeatMs, provider, connection, publicKey };
    const insistence = { deadlineMs, isLost: () => this.isLost };
    const { grant } = await callPeer(this.#env, this, 'connect', () => body, insistence);
    return { grant, about: aboutConnection(this, { agent: options.agent, epoch }, connection) };
  }

  /** The machine or one of its effects threw: the receiver counts as lost. */
  #crashed(error: unknown): void {
    this.#env.supervisor.crashed('connection', { peer: this.agent }, error);
    this.reportFailed(toFailure(error));
  }
}
