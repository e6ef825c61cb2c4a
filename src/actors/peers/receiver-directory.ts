/** The receivers a sender knows, by name. An agent that comes back with another epoch is another peer. */
import type { ControlStatus } from '../../ports/control.js';
import { isKvferryError, KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { PeerRow } from '../../protocol/operations.js';
import type { Heartbeat } from '../../protocol/peer-messages.js';
import { type AgentEnv, failureOf } from '../agent/agent-env.js';
import { describeAgent } from './describe-agent.js';
import { ReceiverPeer } from './receiver-peer.js';

export class ReceiverDirectory {
  readonly #env: AgentEnv;
  readonly #peers = new Map<string, ReceiverPeer>();
  /** Look-ups under way, so that messages that wait for the same one go on in the order in which they came. */
  readonly #lookups = new Map<string, Promise<ReceiverPeer>>();
  /** Connections asked for, of all receivers. */
  #connections = 0;
  readonly #onLost: (peer: ReceiverPeer, failure: Failure) => void;

  constructor(env: AgentEnv, onLost: (peer: ReceiverPeer, failure: Failure) => void) {
    this.#env = env;
    this.#onLost = onLost;
  }

  /** Rejects `unknown_receiver` when no such agent answers, `role_mismatch` when it has no arena. */
  async find(agent: string): Promise<ReceiverPeer> {
    const known = this.#peers.get(agent);
    if (known !== undefined) return known;
    const underWay = this.#lookups.get(agent) ?? this.#lookUp(agent).finally(() => this.#lookups.delete(agent));
    this.#lookups.set(agent, underWay);
    return underWay;
  }

  heartbeat(beat: Heartbeat): void {
    const peer = this.#peers.get(beat.agent);
    if (peer === undefined) return;
    if (beat.epoch !== peer.epoch) peer.contradicted();
    else if (beat.leaving) peer.left(failureOf('agent_draining', 'it has stopped'));
    else peer.heard();
  }

  lineChanged(status: ControlStatus): void {
    for (const peer of this.#peers.values()) peer.lineChanged(status);
  }

  rows(): PeerRow[] {
    return [...this.#peers.values()].map((peer) => peer.row());
  }

  async close(): Promise<void> {
    await Promise.all([...this.#peers.values()].map((peer) => peer.close()));
  }

  async #lookUp(agent: string): Promise<ReceiverPeer> {
    const unknown = (cause: unknown) =>
      new KvferryError('unknown_receiver', `no agent ${agent} answers`, { field: 'receiver', cause });
    const { attemptTimeoutMs } = this.#env.options;
    const description = await describeAgent(this.#env, agent, attemptTimeoutMs).catch((cause: unknown) => {
      throw isKvferryError(cause, 'no_responders', 'deadline_exceeded') ? unknown(cause) : cause;
    });
    if (description.arena === undefined) {
      throw new KvferryError('role_mismatch', `agent ${agent} is ${description.role}: it has no arena`, {
        field: 'receiver',
      });
    }
    const { pageBytes, pages } = description.arena;
    const peer: ReceiverPeer = new ReceiverPeer(
      this.#env,
      description,
      { pageBytes, pages },
      {
        nextConnection: () => {
          this.#connections += 1;
          return this.#connections;
        },
        lost: (failure) => {
          if (this.#peers.get(agent) === peer) this.#peers.delete(agent);
          this.#onLost(peer, failure);
        },
      },
    );
    this.#peers.set(agent, peer);
    return peer;
  }
}
