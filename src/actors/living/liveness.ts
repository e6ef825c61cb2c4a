/** The liveness of one process of another agent. Runs the peer machine for all who watch that process. */
import { type Actor, createActor } from 'xstate';
import { type PeerEffects, peerMachine } from '../../../machines/peer.js';
import { toFailure } from '../../protocol/codec.js';
import type { Failure } from '../../protocol/fields.js';
import type { Heartbeat } from '../../protocol/peer-messages.js';
import type { EnvParts } from '../env/agent-env.js';
import type { Answer, Liveness as LivenessState, Loss, Process, Watch } from '../env/living.js';
import { sleep } from '../env/timers.js';
import { Owners, tell } from '../running/owners.js';

/** What the liveness needs of the agent around it. */
export interface LivenessParts {
  readonly isLineUp: boolean;
  /** Sends a heartbeat of this agent and returns its number. */
  beat(): number;
  ask(process: Process, timeoutMs: number): Promise<Answer>;
  /** No party watches the process any more, or it is lost. */
  over(liveness: Liveness): void;
}

/**
 * Shortest interval by which a peer is judged, in own heartbeats. Judging takes heartbeats and questions of this agent. No other
 * process decides how often it sends them.
 */
const INTERVAL_HEARTBEATS_MIN = 0.25;

/** Pause between two questions to a process that does not listen, in heartbeats. */
const ASK_AGAIN_HEARTBEATS = 0.25;

const owners = new Owners<Liveness, PeerEffects>();
const logic = owners.provide(peerMachine, {
  listen: (owner) => owner.listen(),
  ask: (owner) => owner.ask(),
  reportLost: (owner, { context }) => owner.reportLost(context.failure),
  reportUnexpected: (owner, { event }) => owner.reportUnexpected(event.type),
});

export class Liveness {
  readonly process: Process;
  readonly #env: EnvParts;
  readonly #parts: LivenessParts;
  readonly #actor: Actor<typeof peerMachine>;
  readonly #watchers = new Set<(loss: Loss) => void>();
  #loss: Loss | undefined;
  /** The own heartbeat that must come back, or a later one. */
  #awaited = Number.POSITIVE_INFINITY;
  /** How many messages of the process have come. */
  #messages = 0;
  /** A question is under way because another process sends heartbeats under the name. */
  #isQuestioned = false;

  constructor(env: EnvParts, process: Process, heartbeatMs: number, parts: LivenessParts) {
    this.process = process;
    this.#env = env;
    this.#parts = parts;
    const { agent, epoch } = process;
    const input = { agent, epoch, heartbeatMs: this.#intervalOf(heartbeatMs) };
    this.#actor = createActor(logic, { id: `peer ${agent}/${epoch}`, input, clock: env.clock });
    owners.start(this.#actor, this, {
      task: { about: { peer: agent, epoch } },
      actors: env.actors,
      onError: (error) => this.#crashed(error),
    });
    if (!parts.isLineUp) this.line(false);
  }

  get state(): LivenessState {
    if (this.#loss !== undefined) return 'lost';
    const snapshot = this.#actor.getSnapshot();
    if (snapshot.matches('alive')) return 'alive';
    return snapshot.matches('unheard') ? 'unheard' : 'suspect';
  }

  watch(lost: (loss: Loss) => void): Watch {
    const own = (loss: Loss) => lost(loss);
    this.#watchers.add(own);
    const liveness = this;
    return {
      get state() {
        return liveness.state;
      },
      get loss() {
        return liveness.#loss;
      },
      heard: () => this.heard(),
      close: () => {
        if (this.#watchers.delete(own) && this.#watchers.size === 0) this.#end();
      },
    };
  }

  heard(heartbeatMs?: number): void {
    this.#messages += 1;
    tell(this.#actor, { type: 'peer.heard', heartbeatMs: heartbeatMs && this.#intervalOf(heartbeatMs) });
  }

  /** A heartbeat under the name of the process. */
  heartbeat({ agent, epoch, leaving, heartbeatMs }: Heartbeat): void {
    if (epoch !== this.process.epoch) this.#contradicted();
    else if (leaving) this.#left({ code: 'agent_draining', message: `agent ${agent} has stopped` });
    else this.heard(heartbeatMs);
  }

  /** An own heartbeat has come back. */
  echo(number: number): void {
    if (number < this.#awaited) return;
    this.#awaited = Number.POSITIVE_INFINITY;
    tell(this.#actor, { type: 'self.heard' });
  }

  line(isUp: boolean): void {
    tell(this.#actor, { type: isUp ? 'line.up' : 'line.down' });
  }

  stop(): void {
    this.#watchers.clear();
    this.#end();
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  listen(): void {
    this.#awaited = this.#parts.beat();
  }

  async ask(): Promise<void> {
    const { clock, options } = this.#env;
    const isAsking = () => this.#actor.getSnapshot().matches({ suspect: 'asking' });
    while (isAsking()) {
      const startedMs = clock.now();
      await this.#askOnce(options.attemptTimeoutMs);
      const pauseMs = this.#actor.getSnapshot().context.heartbeatMs * ASK_AGAIN_HEARTBEATS;
      if (isAsking()) await sleep(clock, Math.max(0, pauseMs - (clock.now() - startedMs)));
    }
  }

  reportLost(failure: Failure | null): void {
    const reason = failure ?? { code: 'internal', message: 'no reason was given' };
    this.#lose({ reason, isProven: reason.code === 'agent_draining' || reason.code === 'stale_epoch' });
  }

  reportUnexpected(event: string): void {
    this.#env.logger.debug({ peer: this.process.agent, event }, 'event ignored');
  }

  // ------------------------------------------------------------------------------------------------------------------

  #intervalOf(heartbeatMs: number): number {
    return Math.max(heartbeatMs, INTERVAL_HEARTBEATS_MIN * this.#env.options.heartbeatMs);
  }

  /** Another process sends heartbeats under this name. Asking tells whether this one is over: one question at a time. */
  #contradicted(): void {
    if (this.#isQuestioned) return;
    this.#isQuestioned = true;
    this.#askOnce(this.#env.options.attemptTimeoutMs)
      .catch((error: unknown) => this.#crashed(error))
      .finally(() => {
        this.#isQuestioned = false;
      });
  }

  async #askOnce(timeoutMs: number): Promise<void> {
    const { agent } = this.process;
    const messages = this.#messages;
    const answer = await this.#parts.ask(this.process, timeoutMs);
    if (answer === 'alive') this.heard();
    // It was away from NATS when it was asked, and has come back since.
    else if (this.#messages > messages) return;
    else if (answer === 'silent') this.#env.logger.debug({ peer: agent }, 'peer does not answer');
    else {
      const message = `agent ${agent} was restarted: its epoch is now ${answer.replacedBy}`;
      this.#left({ code: 'stale_epoch', message });
    }
  }

  #left(failure: Failure): void {
    tell(this.#actor, { type: 'peer.left', failure });
  }

  #lose(loss: Loss): void {
    if (this.#loss !== undefined) return;
    this.#loss = loss;
    const watchers = [...this.#watchers];
    this.#watchers.clear();
    this.#end();
    for (const lost of watchers) lost(loss);
  }

  #end(): void {
    this.#actor.stop();
    this.#parts.over(this);
  }

  /** The machine or one of its effects threw: the process counts as lost. */
  #crashed(error: unknown): void {
    this.#env.supervisor.crashed('peer', { peer: this.process.agent }, error);
    this.#lose({ reason: toFailure(error), isProven: false });
  }
}
