/**
 * A receiver's view of one sender epoch: whether it is alive, and the remote key that it was granted. When the sender is
 * lost, or asks for a new key because its writes broke off, the old key is revoked first. Only then are its pages safe.
 */
import type { Provider } from '../../ports/fabric.js';
import type { SealedGrant } from '../../ports/sealed-fabric.js';
import { fromFailure } from '../../protocol/codec.js';
import { aboutConnection } from '../../protocol/connection-parties.js';
import { defined } from '../../protocol/defined.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { PeerRow } from '../../protocol/status-rows.js';
import type { AgentEnv } from '../env/agent-env.js';
import type { Watch } from '../env/living.js';
import type { Peer } from './peer-call.js';
import { lossOf } from './peer-loss.js';

/** More connections than an agent makes in its life. One message must not use up all numbers that are left. */
const CONNECTION_STEP_MAX = 2 ** 32;

/** A process that asks for a remote key. */
export interface ConnectingSender {
  readonly agent: string;
  readonly epoch: string;
  readonly heartbeatMs: number;
  /** Its remote keys are sealed for the owner of this key, and for no other process. */
  readonly publicKey: string;
}

export interface SenderPeerListener {
  granted(grant: string): void;
  /** The key is revoked: a write that uses it changes no page. */
  fenced(grant: string): void;
  lost(failure: Failure): void;
}

export class SenderPeer implements Peer {
  readonly side = 'sender';
  readonly agent: string;
  readonly epoch: string;
  readonly publicKey: string;
  readonly liveness: Watch;
  readonly #env: AgentEnv;
  readonly #listener: SenderPeerListener;
  #grant: SealedGrant | undefined;
  #lost: Failure | undefined;
  /** Number of the latest connection that the sender has asked for. */
  #connection = 0;
  /** Grants and revocations run one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(env: AgentEnv, sender: ConnectingSender, listener: SenderPeerListener) {
    this.#env = env;
    this.#listener = listener;
    this.agent = sender.agent;
    this.epoch = sender.epoch;
    this.publicKey = sender.publicKey;
    this.liveness = env.living.watch(sender, ({ reason }) => this.lose(reason));
  }

  /**
   * The sender's remote key for its connection of this number, sealed for it. The same number gives the same key. A higher number
   * revokes the key before it. Rejects `stale_grant` when the sender has opened a later connection meanwhile, and
   * `sender_lost`.
   */
  grant(provider: Provider, connection: number): Promise<SealedGrant> {
    const granted = this.#queue.then(async () => {
      if (connection < this.#connection) {
        throw new KvferryError(
          'stale_grant',
          `connection ${connection} of agent ${this.agent} was replaced by connection ${this.#connection}`,
          {
            field: 'connection',
          },
        );
      }
      if (this.#grant !== undefined && connection === this.#connection) return this.#grant;
      if (connection - this.#connection > CONNECTION_STEP_MAX) {
        const message = `connection ${connection} of agent ${this.agent} does not follow connection ${this.#connection}`;
        throw new KvferryError('invalid_field', message, { field: 'connection' });
      }
      this.#connection = connection;
      await this.#revoke();
      if (this.#lost !== undefined) throw fromFailure(this.#lost);
      const { fabric, options, epoch } = this.#env;
      const about = aboutConnection({ agent: options.agent, epoch }, this, connection);
      const grant = await fabric.grant(provider, { publicKey: this.publicKey, about });
      this.#grant = grant;
      this.#listener.granted(grant.id);
      return grant;
    });
    this.#queue = granted.catch(() => undefined);
    return granted;
  }

  /** Revokes `grant` if the sender still has it. The sender notices at its next write or allocation, and connects again. */
  fence(grant: string): void {
    this.#queue = this.#queue
      .then(async () => {
        if (this.#grant?.id === grant) await this.#revoke();
      })
      .catch((error: unknown) => this.#notRevoked(error));
  }

  row(): PeerRow {
    const { agent, epoch } = this;
    const connection = this.#grant === undefined ? 'connecting' : 'connected';
    const state = this.#lost === undefined ? `${connection} and ${this.liveness.state}` : 'lost';
    return { agent, epoch, side: 'sender', state, ...defined({ provider: this.#grant?.provider }), fallback: [] };
  }

  /** Resolves when every revocation that was asked for is done. */
  get settled(): Promise<unknown> {
    return this.#queue;
  }

  stop(): void {
    this.liveness.close();
  }

  /** The sender is declared dead, or this agent gives all its senders up. Its key is revoked. */
  lose(reason: Failure): void {
    if (this.#lost !== undefined) return;
    this.liveness.close();
    this.#lost = lossOf(this.#env, this, reason);
    this.#listener.lost(this.#lost);
    this.#queue = this.#queue.then(() => this.#revoke()).catch((error: unknown) => this.#notRevoked(error));
  }

  // ------------------------------------------------------------------------------------------------------------------

  #notRevoked(error: unknown): void {
    const log = { peer: this.agent, err: error };
    this.#env.logger.error(log, 'remote key not revoked, its pages stay quarantined');
  }

  async #revoke(): Promise<void> {
    const held = this.#grant;
    if (held === undefined) return;
    await this.#env.fabric.revoke(held.id);
    this.#grant = undefined;
    this.#listener.fenced(held.id);
    this.#env.counters.add('grants_revoked');
  }
}
