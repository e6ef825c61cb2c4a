/**
 * A sender's view of one receiver epoch: is it alive, and the connection bytes go through. It chooses the provider: the
 * first of ours that the receiver offers, that we can reach, and that really connects. Every one passed over is
 * logged, counted and shown.
 */
import { type Actor, createActor } from 'xstate';
import { type PeerEffects, peerMachine } from '../../../machines/peer.js';
import type { ControlStatus } from '../../ports/control.js';
import type { FabricConnection, FabricEndpoint, Provider } from '../../ports/fabric.js';
import { fromFailure, toFailure } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { DescribeReply, PeerRow } from '../../protocol/operations.js';
import type { AgentEnv } from '../agent/agent-env.js';
import { stateName } from '../observing/state-name.js';
import { Owners, tell } from '../running/owners.js';
import { callPeer, type Peer } from './peer-call.js';
import { probe } from './probe.js';

/** A usable way to the receiver, and the remote key it uses. */
export interface Connection {
  readonly grant: string;
  readonly fabric: FabricConnection;
}

const owners = new Owners<ReceiverPeer, PeerEffects>();
const logic = owners.provide(peerMachine, {
  openConnection: (owner) => owner.open(),
  reportConnected: (owner) => owner.wake(),
  probe: (owner) => owner.suspect(),
  judgeSilence: (owner) => owner.judgeSilence(),
  reportLost: (owner, { context }) => owner.lose(context.failure),
  reportUnexpected: (owner, { event }) => owner.ignored(event.type),
});

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
  readonly arena: { readonly pageBytes: number; readonly pages: number };
  readonly #env: AgentEnv;
  readonly #description: DescribeReply;
  readonly #actor: Actor<typeof peerMachine>;
  readonly #listener: ReceiverPeerListener;
  readonly #waiters = new Set<Waiter>();
  #connection: Connection | undefined;
  #lost: Failure | undefined;
  /** It is lost because no provider connects; messages may reach it. */
  #isAnswering = false;
  #fallback: string[] = [];
  #attempt = 0;
  /** Our absences when it was asked whether it lives. */
  #askedAfter = 0;

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
    const { connectTimeoutMs } = env.options;
    const input = { agent: this.agent, epoch: this.epoch, heartbeatMs: description.heartbeatMs, connectTimeoutMs };
    this.#actor = createActor(logic, {
      id: `peer ${this.agent}/${this.epoch} (receiver)`,
      input,
      clock: env.clock,
    });
    owners.start(this.#actor, this, {
      task: { about: { peer: this.agent, epoch: this.epoch } },
      actors: env.actors,
      onError: (error) => this.#crashed(error),
    });
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** Lost for good: it has died, left, or says nothing. Not so when only no connection comes about. */
  get isGone(): boolean {
    return this.#lost !== undefined && !this.#isAnswering;
  }

  /** Has the receiver ever granted us anything, so that it may know of our requests? */
  get wasConnected(): boolean {
    return this.#connection !== undefined;
  }

  heard(): void {
    tell(this.#actor, { type: 'peer.heard' });
  }

  lineChanged(status: ControlStatus): void {
    tell(this.#actor, { type: status === 'connected' ? 'line.up' : 'line.down' });
  }

  /** Another epoch was heard under its name: it was restarted, or an old message came late. */
  contradicted(): void {
    probe(this.#env, this, this).catch((error: unknown) => this.#crashed(error));
  }

  left(failure: Failure): void {
    tell(this.#actor, { type: 'peer.left', failure });
  }

  /** The connection `broken` cannot be used, or may still deliver: connect anew, so that the receiver fences it. */
  broken(broken: Connection): void {
    if (this.#connection === broken) tell(this.#actor, { type: 'connection.broken' });
  }

  /** Whatever connection there is must be fenced and replaced. */
  breakConnection(): void {
    tell(this.#actor, { type: 'connection.broken' });
  }

  /** The connection, once there is one. Rejects when the peer is lost or the deadline passes. */
  connected(deadlineMs: number): Promise<Connection> {
    if (this.#lost !== undefined) return Promise.reject(fromFailure(this.#lost));
    if (this.#connection !== undefined && this.#actor.getSnapshot().matches({ open: { connection: 'connected' } })) {
      return Promise.resolve(this.#connection);
    }
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
        () => waiter.reject(new KvferryError('deadline_exceeded', `no connection to agent ${this.agent} in time`)),
        Math.max(0, deadlineMs - clock.now()),
      );
      this.#waiters.add(waiter);
    });
  }

  row(): PeerRow {
    const { agent, epoch } = this;
    const connection = this.#connection?.fabric;
    const state = stateName(this.#actor.getSnapshot().value);
    const via = connection === undefined ? {} : { provider: connection.provider, detail: connection.detail };
    return { agent, epoch, side: 'receiver', state, ...via, fallback: this.#fallback };
  }

  async close(): Promise<void> {
    this.#actor.stop();
    await this.#connection?.fabric.close();
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  async open(): Promise<void> {
    this.#attempt += 1;
    const attempt = this.#attempt;
    try {
      const connection = await this.#connect(this.#env.clock.now() + this.#env.options.connectTimeoutMs);
      if (attempt !== this.#attempt || this.isLost) {
        await connection.fabric.close();
        return;
      }
      this.#connection = connection;
      tell(this.#actor, { type: 'connection.opened' });
    } catch (error) {
      if (attempt === this.#attempt) tell(this.#actor, { type: 'connection.failed', failure: toFailure(error) });
    }
  }

  wake(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    for (const waiter of [...this.#waiters]) waiter.resolve(connection);
  }

  suspect(): Promise<void> {
    this.#askedAfter = this.#env.presence.absences;
    return probe(this.#env, this, this);
  }

  judgeSilence(): void {
    const wasThere = this.#env.presence.absences === this.#askedAfter;
    tell(this.#actor, { type: wasThere ? 'silence.certain' : 'silence.own' });
  }

  lose(failure: Failure | null): void {
    if (this.#lost !== undefined) return;
    const why = failure?.message ?? 'no reason was given';
    this.#isAnswering = failure?.code === 'connection_failed';
    this.#lost = { code: 'receiver_lost', message: `agent ${this.agent} (epoch ${this.epoch}) is lost: ${why}` };
    this.#env.counters.add('receivers_lost');
    this.#env.logger.warn({ peer: this.agent, peerEpoch: this.epoch, reason: why }, 'receiver lost');
    const error = fromFailure(this.#lost);
    for (const waiter of [...this.#waiters]) waiter.reject(error);
    this.#connection?.fabric.close().catch((err: unknown) => {
      this.#env.logger.warn({ peer: this.agent, err }, 'connection did not close');
    });
    this.#listener.lost(this.#lost);
  }

  ignored(event: string): void {
    this.#env.logger.debug({ peer: this.agent, event }, 'event ignored');
  }

  // ------------------------------------------------------------------------------------------------------------------

  /** The machine threw: the peer counts as lost. */
  #crashed(error: unknown): void {
    this.#env.supervisor.crashed('peer', { peer: this.agent }, error);
    this.lose(toFailure(error));
  }

  async #connect(deadlineMs: number): Promise<Connection> {
    const { logger, counters, fabric, options } = this.#env;
    await this.#connection?.fabric.close();
    this.#fallback = [];
    for (const provider of options.providers) {
      const endpoint = this.#description.endpoints.find((offered) => offered.provider === provider);
      let reason = this.#unusable(provider, endpoint);
      if (reason === undefined && endpoint !== undefined) {
        const connection = this.#listener.nextConnection();
        try {
          const { grant } = await callPeer(
            this.#env,
            this,
            'connect',
            () => ({
              agent: options.agent,
              epoch: this.#env.epoch,
              heartbeatMs: options.heartbeatMs,
              provider,
              connection,
            }),
            { deadlineMs, isLost: () => this.isLost },
          );
          const timeoutMs = Math.max(1, deadlineMs - this.#env.clock.now());
          const opened = await fabric.connect(endpoint, grant, { timeoutMs });
          logger.info({ peer: this.agent, provider, detail: opened.detail }, 'connected to receiver');
          return { grant: grant.id, fabric: opened };
        } catch (error) {
          reason = toFailure(error).message;
        }
      }
      this.#fallback.push(`${provider}: ${reason}`);
      counters.add('provider_fallbacks');
      logger.warn({ peer: this.agent, provider, reason }, 'provider passed over');
    }
    const reasons = this.#fallback.join('; ');
    throw new KvferryError('connection_failed', `no provider connects to agent ${this.agent}: ${reasons}`);
  }

  #unusable(provider: Provider, endpoint: FabricEndpoint | undefined): string | undefined {
    if (endpoint === undefined) {
      const why = this.#description.unavailable.find((row) => row.provider === provider)?.reason;
      return why ?? `agent ${this.agent} does not offer it`;
    }
    if (this.#env.fabric.canReach(endpoint)) return undefined;
    const own = this.#env.fabric.unavailable().find((row) => row.provider === provider)?.reason;
    return own ?? 'its endpoint cannot be reached from here';
  }
}
