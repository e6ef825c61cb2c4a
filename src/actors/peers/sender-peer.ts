/**
 * A receiver's view of one sender epoch: is it alive, and the remote key it was granted. When the sender is lost, or asks
 * for a new key because its writes broke off, the old key is revoked first; only then are the pages behind it safe.
 */
import { type Actor, createActor } from 'xstate';
import { type PeerEffects, peerMachine } from '../../../machines/peer.js';
import type { ControlStatus } from '../../ports/control.js';
import type { FabricGrant, Provider } from '../../ports/fabric.js';
import { toFailure } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { PeerRow } from '../../protocol/operations.js';
import type { AgentEnv } from '../agent/agent-env.js';
import { stateName } from '../observing/state-name.js';
import { Owners, tell } from '../running/owners.js';
import { probe } from './probe.js';

export interface SenderPeerListener {
  granted(grant: string): void;
  /** Nothing written under this key lands any more. */
  fenced(grant: string): void;
  lost(failure: Failure): void;
}

const owners = new Owners<SenderPeer, PeerEffects>();
const logic = owners.provide(peerMachine, {
  openConnection: () => undefined,
  reportConnected: () => undefined,
  probe: (owner) => owner.suspect(),
  judgeSilence: (owner) => owner.judgeSilence(),
  reportLost: (owner, { context }) => owner.lose(context.failure),
  reportUnexpected: (owner, { event }) => owner.ignored(event.type),
});

export class SenderPeer {
  readonly agent: string;
  readonly epoch: string;
  readonly #env: AgentEnv;
  readonly #listener: SenderPeerListener;
  readonly #actor: Actor<typeof peerMachine>;
  #grant: FabricGrant | undefined;
  /** The latest connection that was asked for. */
  #connection = 0;
  /** Grants and revocations, one after the other. */
  #queue: Promise<unknown> = Promise.resolve();
  #isLost = false;
  /** Our absences when it was asked whether it lives. */
  #askedAfter = 0;
  /** Our absences up to which the sender has not held us for lost. */
  #absences: number;

  constructor(
    env: AgentEnv,
    sender: { readonly agent: string; readonly epoch: string; readonly heartbeatMs: number },
    listener: SenderPeerListener,
  ) {
    this.#env = env;
    this.#listener = listener;
    this.agent = sender.agent;
    this.epoch = sender.epoch;
    this.#absences = env.presence.absencesBefore;
    const input = { ...sender, connectTimeoutMs: env.options.connectTimeoutMs };
    this.#actor = createActor(logic, {
      id: `peer ${sender.agent}/${sender.epoch} (sender)`,
      input,
      clock: env.clock,
    });
    owners.start(this.#actor, this, {
      task: { about: { peer: sender.agent, epoch: sender.epoch } },
      actors: env.actors,
      onError: (error) => this.#crashed(error),
    });
  }

  /**
   * The sender's remote key for its connection of that number. Asking again gives the same one; a later connection takes
   * the place of the one before. Rejects `stale_grant` when the message is older than the connection there is.
   */
  grant(provider: Provider, connection: number): Promise<FabricGrant> {
    const granted = this.#queue.then(async () => {
      if (connection < this.#connection) {
        throw new KvferryError('stale_grant', `agent ${this.agent} has opened connection ${this.#connection} since`, {
          field: 'connection',
        });
      }
      if (this.#grant !== undefined && connection === this.#connection) return this.#grant;
      this.#connection = connection;
      this.#absences = this.#env.presence.absencesBefore;
      await this.#revoke();
      if (this.#isLost) throw new KvferryError('sender_lost', `agent ${this.agent} was held for lost`);
      const grant = await this.#env.fabric.grant(provider);
      this.#grant = grant;
      this.#listener.granted(grant.id);
      tell(this.#actor, { type: 'connection.opened' });
      return grant;
    });
    this.#queue = granted.catch(() => undefined);
    return granted;
  }

  /** Revokes that remote key, if it is the one it has. The sender notices when it next writes or allocates, and connects anew. */
  fence(grant: string): void {
    this.#queue = this.#queue
      .then(async () => {
        if (this.#grant?.id === grant) await this.#revoke();
      })
      .catch((error: unknown) => this.#notRevoked(error));
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

  /** What it begins now is certain as long as there are no more absences than these (P12). */
  get absences(): number {
    return this.#absences;
  }

  /** It has answered a question that was asked after so many absences, and goes on. */
  proven(absences: number): void {
    this.#absences = Math.max(this.#absences, absences);
  }

  row(): PeerRow {
    const { agent, epoch } = this;
    const state = stateName(this.#actor.getSnapshot().value);
    const via = this.#grant === undefined ? {} : { provider: this.#grant.provider };
    return { agent, epoch, side: 'sender', state, ...via, fallback: [] };
  }

  /** Resolves when the remote key is revoked, if it is to be. */
  get settled(): Promise<unknown> {
    return this.#queue;
  }

  stop(): void {
    this.#actor.stop();
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  suspect(): Promise<void> {
    this.#askedAfter = this.#env.presence.absences;
    return probe(this.#env, this, this);
  }

  judgeSilence(): void {
    const wasThere = this.#env.presence.absences === this.#askedAfter;
    tell(this.#actor, { type: wasThere ? 'silence.certain' : 'silence.own' });
  }

  lose(failure: Failure | null): void {
    if (this.#isLost) return;
    this.#isLost = true;
    const why = failure?.message ?? 'no reason was given';
    this.#env.counters.add('senders_lost');
    this.#env.logger.warn({ peer: this.agent, peerEpoch: this.epoch, reason: why }, 'sender lost');
    this.#listener.lost({ code: 'sender_lost', message: `agent ${this.agent} (epoch ${this.epoch}) is lost: ${why}` });
    this.#queue = this.#queue.then(() => this.#revoke()).catch((error: unknown) => this.#notRevoked(error));
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

  #notRevoked(error: unknown): void {
    const log = { peer: this.agent, err: error };
    this.#env.logger.error(log, 'remote key not revoked: its pages stay quarantined');
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
