/** The senders that a receiver knows, by epoch. An agent that comes back with another epoch is another sender. */
import { KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import { PEERS_MAX } from '../../protocol/limits.js';
import type { PeerRow } from '../../protocol/status-rows.js';
import type { AgentEnv } from '../env/agent-env.js';
import { requireOwner } from './require-owner.js';
import { type ConnectingSender, SenderPeer } from './sender-peer.js';

/** Lost epochs whose owners are remembered. */
const LOST_REMEMBERED_MAX = 1024;
/** Each of them may have a remote key, of which there are about a thousand. */
const PROCESSES_PER_NAME_MAX = 4;

export interface SenderDirectoryListener {
  granted(grant: string, epoch: string): void;
  /** Nothing written under this key lands any more. */
  fenced(grant: string): void;
  lost(epoch: string, failure: Failure): void;
}

export class SenderDirectory {
  readonly #env: AgentEnv;
  readonly #listener: SenderDirectoryListener;
  readonly #peers = new Map<string, SenderPeer>();
  /** By the remote key that is valid. */
  readonly #byGrant = new Map<string, SenderPeer>();
  /** The agents of epochs that are lost, the oldest loss first: no other agent may speak for their requests. */
  readonly #lost = new Map<string, string>();

  constructor(env: AgentEnv, listener: SenderDirectoryListener) {
    this.#env = env;
    this.#listener = listener;
  }

  /** Undefined when no such sender has connected, or when it is lost. */
  get(epoch: string): SenderPeer | undefined {
    return this.#peers.get(epoch);
  }

  /** The agent that connected first under that epoch. Undefined when none has, or when it is forgotten. */
  ownerOf(epoch: string): string | undefined {
    return this.#peers.get(epoch)?.agent ?? this.#lost.get(epoch);
  }

  /** A message of this sender came: it lives. */
  heard(epoch: string): void {
    this.#peers.get(epoch)?.liveness.heard();
  }

  /**
   * The sender that wants to connect; adds it when it is new. From then on the epoch is its own. Throws `not_yours` when the epoch
   * is that of another agent, or the public key that of another process, and `too_many_requests`.
   */
  connecting(sender: ConnectingSender): SenderPeer {
    const { agent, epoch, publicKey } = sender;
    requireOwner(this.ownerOf(epoch) ?? agent, agent, `epoch ${epoch}`);
    const known = this.#peers.get(epoch);
    if (known === undefined) return this.#add(sender);
    if (known.publicKey === publicKey) return known;
    const message = `epoch ${epoch} of agent ${agent} has another public key: the message comes from another process`;
    throw new KvferryError('not_yours', message, { field: 'publicKey' });
  }

  /** A name has one process, or two while it is rolled. Those of before are lost after 2.75 heartbeats. */
  #refuseMore(agent: string): void {
    if (this.#peers.size >= PEERS_MAX) {
      const message = `${this.#peers.size} senders are connected, and agent ${this.#env.options.agent} takes no more`;
      throw new KvferryError('too_many_requests', message, { field: 'subject' });
    }
    const others = [...this.#peers.values()].filter((peer) => peer.agent === agent).length;
    if (others < PROCESSES_PER_NAME_MAX) return;
    const message = `${others} processes of agent ${agent} are connected: those that have ended must be declared dead first`;
    throw new KvferryError('too_many_requests', message, { field: 'subject' });
  }

  /** Revokes a remote key, whichever sender has it. A sender that is lost has its key revoked anyway. */
  fence(grant: string): void {
    this.#byGrant.get(grant)?.fence(grant);
  }

  /** Ends all senders. Resolves when every remote key is revoked. */
  async loseAll(failure: Failure): Promise<void> {
    const peers = [...this.#peers.values()];
    for (const peer of peers) peer.lose(failure);
    await Promise.all(peers.map((peer) => peer.settled));
  }

  rows(): PeerRow[] {
    return [...this.#peers.values()].map((peer) => peer.row());
  }

  close(): void {
    for (const peer of this.#peers.values()) peer.stop();
  }

  #add(sender: ConnectingSender): SenderPeer {
    const { epoch } = sender;
    this.#refuseMore(sender.agent);
    const peer: SenderPeer = new SenderPeer(this.#env, sender, {
      granted: (grant) => {
        this.#byGrant.set(grant, peer);
        this.#listener.granted(grant, epoch);
      },
      fenced: (grant) => {
        this.#byGrant.delete(grant);
        this.#listener.fenced(grant);
      },
      lost: (failure) => {
        this.#peers.delete(epoch);
        this.#remember(peer);
        this.#listener.lost(epoch, failure);
      },
    });
    this.#peers.set(epoch, peer);
    this.#lost.delete(epoch);
    return peer;
  }

  #remember({ agent, epoch }: SenderPeer): void {
    this.#lost.set(epoch, agent);
    for (const oldest of this.#lost.keys()) {
      if (this.#lost.size <= LOST_REMEMBERED_MAX) return;
      this.#lost.delete(oldest);
    }
  }
}
