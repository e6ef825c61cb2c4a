/**
 * Sends the heartbeats of this agent, and watches that they come back from NATS. An agent that does not hear itself is cut
 * off, whatever its connection reports.
 */
import { type Actor, createActor } from 'xstate';
import { type LineEffects, lineMachine } from '../../../machines/line.js';
import type { ControlSubscription } from '../../ports/control.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import type { Heartbeat } from '../../protocol/peer-messages.js';
import { subjects } from '../../protocol/subjects.js';
import type { EnvParts } from '../env/agent-env.js';
import { Owners, tell } from '../running/owners.js';
import type { Heartbeats } from './heartbeats.js';

export interface LineListener {
  changed(isUp: boolean): void;
  /** The heartbeat of this number has come back. */
  echo(number: number): void;
  /** Another process sends heartbeats under the name of this agent. */
  twin(beat: Heartbeat): void;
}

/** Peers declare a process dead earlier than this. */
const ALONE_HEARTBEATS = 3;
/** After a silence of its own of this length, a process does not know whether another one has its name. */
const PAUSE_HEARTBEATS = 2;

const owners = new Owners<Line, LineEffects>();
const logic = owners.provide(lineMachine, {
  listen: (owner) => void owner.beat(),
  reportDown: (owner) => owner.report(false),
  reportUp: (owner) => owner.report(true),
  reconnect: (owner) => owner.reconnect(),
  reportUnexpected: (owner, { event }) => owner.reportUnexpected(event.type),
});

export class Line {
  readonly #env: EnvParts;
  readonly #heartbeats: Heartbeats;
  readonly #listener: LineListener;
  readonly #actor: Actor<typeof lineMachine>;
  #own: ControlSubscription | undefined;
  #servingMs = Number.POSITIVE_INFINITY;
  #number = 0;
  #isUp = true;
  #isDraining = false;
  /** Age at which this process may have had company last: at its start, a heartbeat of another process, an outage. */
  #companyAgeMs = 0;
  /** The longest heartbeat interval of a process that has had this name, as far as is known. */
  #intervalMs = 0;
  #isAlone = false;
  /** When the last heartbeat was sent. */
  #sentMs = Number.POSITIVE_INFINITY;
  /** When a heartbeat of another process that runs came last. */
  #twinMs = Number.NEGATIVE_INFINITY;

  constructor(env: EnvParts, heartbeats: Heartbeats, listener: LineListener) {
    this.#env = env;
    this.#heartbeats = heartbeats;
    this.#listener = listener;
    const { heartbeatMs } = env.options;
    this.#actor = createActor(logic, { id: `line ${env.options.agent}`, input: { heartbeatMs }, clock: env.clock });
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /**
   * Whether every earlier process of this name has ended, or has been silent for so long that no peer accepts its writes any
   * more. Own heartbeats that come back prove that the silence is not on this side.
   */
  get isAlone(): boolean {
    this.#lookForPause();
    return this.#isAlone;
  }

  /** Whether another process that runs sends heartbeats under this name. */
  get hasTwin(): boolean {
    return this.#env.clock.now() - this.#twinMs < ALONE_HEARTBEATS * this.#intervalMs;
  }

  /** How long this process has had its name. */
  get ageMs(): number {
    return Math.max(0, Math.round(this.#env.clock.now() - this.#servingMs));
  }

  /** Subscribes to the agent's own name, which this process has from now on. `intervalMs`: of the heartbeats of the one before. */
  subscribe(intervalMs = 0): void {
    this.#servingMs = this.#env.clock.now();
    const { agent, heartbeatMs } = this.#env.options;
    this.#intervalMs = Math.max(intervalMs, heartbeatMs);
    this.#own = this.#heartbeats.on(agent, (beat) => this.#heard(beat));
  }

  /** Begins to judge the line. The agent sends a heartbeat now, and then one in every interval. */
  start(): void {
    const { actors, control } = this.#env;
    owners.start(this.#actor, this, { task: { about: {} }, actors, onError: (error) => this.#crashed(error) });
    control.onStatus((status) => tell(this.#actor, { type: status === 'connected' ? 'nats.back' : 'nats.away' }));
  }

  stop(): void {
    this.#actor.stop();
    this.#own?.close();
  }

  /** From now on the heartbeats say that the agent takes no new requests. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Sends a heartbeat and returns its number. A lost one is not repeated: the next one follows. `leaving`: it is the last. */
  beat(leaving = false): number {
    const { clock, control, epoch, logger, options } = this.#env;
    const { agent, role, heartbeatMs } = options;
    this.#number += 1;
    const isDraining = this.#isDraining;
    const about = { agent, epoch, role, heartbeatMs, number: this.#number, ageMs: this.ageMs };
    const beat: Heartbeat = { v: PROTOCOL_VERSION, ...about, alone: this.isAlone, draining: isDraining, leaving };
    this.#sentMs = clock.now();
    try {
      control.publish(subjects.heartbeat(agent), JSON.stringify(beat));
    } catch (error) {
      logger.warn({ err: error }, 'heartbeat not sent');
    }
    return this.#number;
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  report(isUp: boolean): void {
    this.#isUp = isUp;
    // Unheard, another process may take the name.
    this.#inCompany();
    const { counters, logger } = this.#env;
    if (isUp) logger.info('heartbeats come back from NATS');
    else {
      counters.add('line_losses');
      logger.warn('cut off: heartbeats do not come back from NATS');
    }
    this.#listener.changed(isUp);
  }

  reconnect(): void {
    this.#env.logger.warn('giving up the connection to NATS for another one');
    this.#env.control.reconnect();
  }

  reportUnexpected(event: string): void {
    this.#env.logger.debug({ event }, 'event ignored');
  }

  // ------------------------------------------------------------------------------------------------------------------

  #heard(beat: Heartbeat): void {
    if (beat.epoch !== this.#env.epoch) {
      this.#intervalMs = Math.max(this.#intervalMs, beat.heartbeatMs);
      if (!beat.leaving) this.#inCompany();
      if (!beat.leaving && !beat.draining) this.#twinMs = this.#env.clock.now();
      this.#listener.twin(beat);
      return;
    }
    // What others sent before this heartbeat was received before it.
    if (beat.ageMs - this.#companyAgeMs >= ALONE_HEARTBEATS * this.#intervalMs) this.#isAlone = true;
    tell(this.#actor, { type: 'self.heard' });
    this.#listener.echo(beat.number);
  }

  /** The process sent no heartbeats for a time, so another one may have taken its name. */
  #lookForPause(): void {
    const { clock, options } = this.#env;
    if (clock.now() - this.#sentMs >= PAUSE_HEARTBEATS * options.heartbeatMs) this.#inCompany();
  }

  #inCompany(): void {
    this.#companyAgeMs = this.ageMs;
    this.#isAlone = false;
  }

  /** The machine threw. Nothing judges the line any more, so the agent counts as cut off. */
  #crashed(error: unknown): void {
    this.#env.supervisor.crashed('line', {}, error);
    if (this.#isUp) this.report(false);
  }
}
