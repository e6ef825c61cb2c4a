/**
 * Judges by heartbeats whether one epoch of another agent is alive. Runs the peer machine, which says how long silence may
 * last. A silent agent is first asked directly (`describe`). Silence proves nothing while this agent was itself absent: then
 * the wait starts again. An epoch that is lost stays lost; an agent that comes back has another epoch.
 */
import { type Actor, createActor } from 'xstate';
import { type PeerEffects, type PeerEvent, peerMachine } from '../../../machines/peer.js';
import type { ControlStatus } from '../../ports/control.js';
import { toFailure } from '../../protocol/codec.js';
import { isKvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { Heartbeat } from '../../protocol/peer-messages.js';
import type { AgentEnv } from '../env/agent-env.js';
import { stateName } from '../observing/state-name.js';
import { Owners, tell } from '../running/owners.js';
import { describeAgent } from './describe-agent.js';
import type { Peer } from './peer-call.js';

/** The peer that a liveness belongs to. */
export interface PeerListener {
  /** The peer must connect, and then send `connection.opened` or `connection.failed`. */
  openConnection(): void | Promise<void>;
  /** A connection is open and the peer is alive. */
  connected(): void;
  /** This epoch is lost, for this `cause`. Called once, and last. */
  lost(failure: Failure, cause: Failure): void;
}

/** What the peer itself knows about its connection. */
type ConnectionEvent = Extract<PeerEvent, { type: `connection.${string}` }>;

const owners = new Owners<PeerLiveness, PeerEffects>();
const logic = owners.provide(peerMachine, {
  openConnection: (owner) => owner.openConnection(),
  reportConnected: (owner) => owner.reportConnected(),
  probe: (owner) => owner.probe(),
  judgeSilence: (owner) => owner.judgeSilence(),
  reportLost: (owner, { context }) => owner.reportLost(context.failure),
  reportUnexpected: (owner, { event }) => owner.reportUnexpected(event.type),
});

export class PeerLiveness {
  readonly #env: AgentEnv;
  readonly #peer: Peer;
  readonly #listener: PeerListener;
  readonly #actor: Actor<typeof peerMachine>;
  #lost: Failure | undefined;
  /** Absences of this agent when it sent the last probe. */
  #absencesAtProbe = 0;

  constructor(env: AgentEnv, peer: Peer, heartbeatMs: number, listener: PeerListener) {
    this.#env = env;
    this.#peer = peer;
    this.#listener = listener;
    const { agent, epoch, side } = peer;
    const input = { agent, epoch, heartbeatMs, connectTimeoutMs: env.options.connectTimeoutMs };
    this.#actor = createActor(logic, { id: `peer ${agent}/${epoch} (${side})`, input, clock: env.clock });
  }

  /** Asks the peer for a connection and begins to wait for heartbeats. */
  start(): void {
    const { agent, epoch } = this.#peer;
    owners.start(this.#actor, this, {
      task: { about: { peer: agent, epoch } },
      actors: this.#env.actors,
      onError: (error) => this.#crashed(error),
    });
  }

  /** Ends the waiting without a verdict. */
  stop(): void {
    this.#actor.stop();
  }

  /** Why this epoch is lost, if it is. */
  get lost(): Failure | undefined {
    return this.#lost;
  }

  get isConnected(): boolean {
    return this.#actor.getSnapshot().matches({ open: { connection: 'connected' } });
  }

  /** State of the machine, as `status` shows it. */
  get state(): string {
    return stateName(this.#actor.getSnapshot().value);
  }

  /** A heartbeat of this agent, of this epoch or of another. */
  heartbeat({ agent, epoch, leaving }: Heartbeat): void {
    if (epoch !== this.#peer.epoch) this.#contradicted();
    else if (leaving) this.left({ code: 'agent_draining', message: `agent ${agent} has stopped` });
    else this.heard();
  }

  /** A message of this epoch came: it is alive. */
  heard(): void {
    tell(this.#actor, { type: 'peer.heard' });
  }

  /** This epoch is certainly gone. */
  left(failure: Failure): void {
    tell(this.#actor, { type: 'peer.left', failure });
  }

  /** The connection of this agent to NATS has changed. */
  lineChanged(status: ControlStatus): void {
    tell(this.#actor, { type: status === 'connected' ? 'line.up' : 'line.down' });
  }

  connection(event: ConnectionEvent): void {
    tell(this.#actor, event);
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  openConnection(): void | Promise<void> {
    return this.#listener.openConnection();
  }

  reportConnected(): void {
    this.#listener.connected();
  }

  /** Asks the agent directly. No answer proves nothing: the next heartbeat, or its absence, decides. */
  async probe(): Promise<void> {
    this.#absencesAtProbe = this.#env.presence.absences;
    await this.#ask();
  }

  judgeSilence(): void {
    const wasPresent = this.#env.presence.absences === this.#absencesAtProbe;
    tell(this.#actor, { type: wasPresent ? 'silence.certain' : 'silence.own' });
  }

  reportLost(failure: Failure | null): void {
    if (this.#lost !== undefined) return;
    const { agent, epoch, side } = this.#peer;
    const cause = failure ?? { code: 'internal', message: 'no reason was given' };
    this.#lost = { code: `${side}_lost`, message: `agent ${agent} (epoch ${epoch}) is lost: ${cause.message}` };
    this.#env.counters.add(`${side}s_lost`);
    this.#env.logger.warn({ peer: agent, peerEpoch: epoch, reason: cause.message }, `${side} lost`);
    this.#listener.lost(this.#lost, cause);
  }

  reportUnexpected(event: string): void {
    this.#env.logger.debug({ peer: this.#peer.agent, event }, 'event ignored');
  }

  // ------------------------------------------------------------------------------------------------------------------

  /** A heartbeat with another epoch came: the agent was restarted, or an old heartbeat came late. Asking tells which. */
  #contradicted(): void {
    this.#ask().catch((error: unknown) => this.#crashed(error));
  }

  async #ask(): Promise<void> {
    const { agent, epoch: known } = this.#peer;
    try {
      const { epoch } = await describeAgent(this.#env, agent, this.#env.options.heartbeatMs);
      if (epoch === known) this.heard();
      else this.left({ code: 'stale_epoch', message: `agent ${agent} was restarted: its epoch is now ${epoch}` });
    } catch (error) {
      if (!isKvferryError(error)) throw error;
      this.#env.logger.debug({ peer: agent, code: error.code }, 'peer does not answer');
    }
  }

  /** The machine or one of its effects threw: the peer counts as lost. */
  #crashed(error: unknown): void {
    this.#env.supervisor.crashed('peer', { peer: this.#peer.agent }, error);
    this.reportLost(toFailure(error));
  }
}
