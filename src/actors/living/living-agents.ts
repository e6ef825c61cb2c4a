/**
 * The one place that judges who lives: this agent's own line to NATS, and one liveness for each process that some part of the
 * agent watches. It subscribes to the heartbeats of these agents only, and of its own name.
 */
import type { ControlSubscription } from '../../ports/control.js';
import type { Heartbeat } from '../../protocol/peer-messages.js';
import type { EnvParts } from '../env/agent-env.js';
import type { Answer, Living, Loss, Process, Watch } from '../env/living.js';
import { askProcess } from './ask-process.js';
import { Heartbeats } from './heartbeats.js';
import { Line } from './line.js';
import { Liveness } from './liveness.js';

interface Watched {
  readonly liveness: Liveness;
  readonly heartbeats: ControlSubscription;
}

export class LivingAgents implements Living {
  readonly line: Line;
  readonly #env: EnvParts;
  readonly #heartbeats: Heartbeats;
  /** By agent and epoch. */
  readonly #watched = new Map<string, Watched>();
  readonly #onLine: ((isUp: boolean) => void)[] = [];
  #twin: (beat: Heartbeat) => void = () => undefined;

  constructor(env: EnvParts) {
    this.#env = env;
    this.#heartbeats = new Heartbeats(env);
    this.line = new Line(env, this.#heartbeats, {
      changed: (isUp) => this.#lineChanged(isUp),
      echo: (number) => {
        for (const { liveness } of [...this.#watched.values()]) liveness.echo(number);
      },
      twin: (beat) => this.#twin(beat),
    });
  }

  get isLineUp(): boolean {
    return this.line.isUp;
  }

  get isAlone(): boolean {
    return this.line.isAlone;
  }

  get hasTwin(): boolean {
    return this.line.hasTwin;
  }

  onLine(listener: (isUp: boolean) => void): void {
    this.#onLine.push(listener);
  }

  /** Another process sends heartbeats under the name of this agent. */
  onTwin(listener: (beat: Heartbeat) => void): void {
    this.#twin = listener;
  }

  watch(process: Process & { readonly heartbeatMs?: number | undefined }, lost: (loss: Loss) => void): Watch {
    const { heartbeatMs = this.#env.options.heartbeatMs } = process;
    const { liveness } = this.#watched.get(nameOf(process)) ?? this.#add(process, heartbeatMs);
    return liveness.watch(lost);
  }

  heard(process: Process): void {
    this.#watched.get(nameOf(process))?.liveness.heard();
  }

  ask(process: Process, timeoutMs: number): Promise<Answer> {
    return askProcess(this.#env, process, timeoutMs);
  }

  /** Ends all judging without a verdict. */
  stop(): void {
    this.line.stop();
    for (const { liveness } of [...this.#watched.values()]) liveness.stop();
  }

  #add({ agent, epoch }: Process, heartbeatMs: number): Watched {
    const liveness = new Liveness(this.#env, { agent, epoch }, heartbeatMs, {
      isLineUp: this.isLineUp,
      beat: () => this.line.beat(),
      ask: (process, timeoutMs) => this.ask(process, timeoutMs),
      over: ({ process }) => this.#forget(process),
    });
    const watched = { liveness, heartbeats: this.#heartbeats.on(agent, (beat) => liveness.heartbeat(beat)) };
    this.#watched.set(nameOf({ agent, epoch }), watched);
    return watched;
  }

  #forget(process: Process): void {
    this.#watched.get(nameOf(process))?.heartbeats.close();
    this.#watched.delete(nameOf(process));
  }

  #lineChanged(isUp: boolean): void {
    for (const { liveness } of [...this.#watched.values()]) liveness.line(isUp);
    for (const listener of this.#onLine) listener(isUp);
  }
}

function nameOf({ agent, epoch }: Process): string {
  return `${agent}/${epoch}`;
}
