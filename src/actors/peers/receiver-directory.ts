/** The receivers that a sender knows, by name. An agent that comes back with another epoch is another peer. */
import { isKvferryError, KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import { PEERS_MAX } from '../../protocol/limits.js';
import type { DescribeReply } from '../../protocol/operations.js';
import type { PeerRow } from '../../protocol/status-rows.js';
import type { AgentEnv } from '../env/agent-env.js';
import { describeAgent, refusePrevious } from './describe-agent.js';
import { insist } from './peer-call.js';
import { ReceiverPeer } from './receiver-peer.js';

export class ReceiverDirectory {
  readonly #env: AgentEnv;
  readonly #peers = new Map<string, ReceiverPeer>();
  /** Look-ups under way. Requests that wait for the same receiver continue in the order in which they came. */
  readonly #lookups = new Map<string, Promise<ReceiverPeer>>();
  /** How many connections this agent has asked for, of all receivers together. */
  #connections = 0;
  readonly #onLost: (peer: ReceiverPeer, failure: Failure) => void;

  constructor(env: AgentEnv, onLost: (peer: ReceiverPeer, failure: Failure) => void) {
    this.#env = env;
    this.#onLost = onLost;
    env.living.onLine((isUp) => {
      for (const peer of this.#peers.values()) peer.lineChanged(isUp);
    });
  }

  /**
   * Rejects `unknown_receiver` when no such agent answers, `unsupported_version` when it speaks the previous version of the
   * protocol, and `role_mismatch` when it has no arena.
   */
  async find(agent: string): Promise<ReceiverPeer> {
    const known = this.#peers.get(agent);
    if (known !== undefined) return known;
    const underWay = this.#lookups.get(agent) ?? this.#lookUp(agent).finally(() => this.#lookups.delete(agent));
    this.#lookups.set(agent, underWay);
    return underWay;
  }

  rows(): PeerRow[] {
    return [...this.#peers.values()].map((peer) => peer.row());
  }

  async close(): Promise<void> {
    await Promise.all([...this.#peers.values()].map((peer) => peer.close()));
  }

  async #lookUp(agent: string): Promise<ReceiverPeer> {
    const description = await this.#describe(agent);
    this.#refuseMore(agent);
    if (description.arena === undefined) {
      throw new KvferryError('role_mismatch', `agent ${agent} has role ${description.role} and no arena`, {
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

  /** What a receiver says of itself is kept as long as it lives. */
  #refuseMore(agent: string): void {
    if (this.#peers.size < PEERS_MAX) return;
    const message = `agent ${this.#env.options.agent} sends to ${this.#peers.size} agents and to no further one: put at another agent for ${agent}`;
    throw new KvferryError('too_many_requests', message, { field: 'receiver' });
  }

  /** Asks for about a heartbeat: an agent that is not subscribed at this moment may be connecting to NATS again. */
  async #describe(agent: string): Promise<DescribeReply> {
    const { clock, living, options } = this.#env;
    const what = `no agent ${agent} answers: check its name and that it runs`;
    const deadlineMs = clock.now() + Math.max(options.heartbeatMs, options.attemptTimeoutMs);
    try {
      return await insist(this.#env, { what, deadlineMs }, ({ forAttemptMs }) =>
        describeAgent(this.#env, agent, forAttemptMs),
      );
    } catch (cause) {
      if (!isKvferryError(cause, 'deadline_exceeded')) throw cause;
      if (!living.isLineUp) throw new KvferryError('disconnected', 'this agent is cut off from NATS', { cause });
      await refusePrevious(this.#env, agent);
      throw new KvferryError('unknown_receiver', what, { field: 'receiver', cause });
    }
  }
}
