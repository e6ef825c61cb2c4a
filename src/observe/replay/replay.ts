/**
 * Replays a recording forwards step by step, and backwards by a new run from the start. A step looks the same from either
 * direction.
 */
import type { StoreInspection } from '../../actors/receiving/receiver.js';
import type { StatusReply } from '../../protocol/operations.js';
import { type End, ends } from '../../protocol/subjects.js';
import type { Divergence } from './divergence.js';
import { changesBetween, type MachineStates, machineStates } from './machine-states.js';
import { readRecording } from './read-recording.js';
import type { Recording } from './recording.js';
import { ReplayedLife, type ReplayedStep } from './replayed-life.js';
import type { Violation } from './violations.js';

/** Most divergences and violations that are kept. All are counted. */
const KEPT_MAX = 100;

/** The state of a replay after a step. */
export interface Situation extends ReplayedStep {
  readonly machines: MachineStates;
  /** What the step changed. */
  readonly changes: readonly string[];
}

/** Totals over all steps so far. */
export interface Findings {
  readonly divergences: readonly Divergence[];
  readonly divergencesTotal: number;
  readonly violations: readonly Violation[];
  readonly violationsTotal: number;
  /** Inputs that the replayed agent did not wait for. */
  readonly skipped: number;
  /** Timers that fired and that the recording lacks. */
  readonly ownTimers: number;
  /** Ended requests, by end. */
  readonly requests: { readonly sent: Ends; readonly received: Ends };
}

type Ends = Readonly<Partial<Record<End, number>>>;

export class Replay {
  readonly recording: Recording;
  #life: ReplayedLife;
  #situation: Situation | undefined;
  #divergences: Divergence[] = [];
  #divergencesTotal = 0;
  #violations: Violation[] = [];
  #violationsTotal = 0;
  #skipped = 0;
  #ownTimers = 0;
  /** The machine states that the agent last reported. */
  #counters: StatusReply['counters'] = {};

  constructor(recording: Recording) {
    this.recording = recording;
    this.#life = new ReplayedLife(recording);
  }

  /** Starts at step 0. Rejects `invalid_configuration` as `readRecording` does. */
  static async open(path: string): Promise<Replay> {
    const replay = new Replay(await readRecording(path));
    await replay.stepForward();
    return replay;
  }

  /** The number of the last step. */
  get last(): number {
    return this.recording.steps.length - 1;
  }

  get situation(): Situation {
    if (this.#situation === undefined) throw new Error('the replay has not begun');
    return this.#situation;
  }

  get findings(): Findings {
    return {
      divergences: this.#divergences,
      divergencesTotal: this.#divergencesTotal,
      violations: this.#violations,
      violationsTotal: this.#violationsTotal,
      skipped: this.#skipped,
      ownTimers: this.#ownTimers,
      requests: {
        sent: endsIn('requests_sent_', this.#counters),
        received: endsIn('requests_received_', this.#counters),
      },
    };
  }

  /** The current store of an agent that receives. */
  inspectStore(): StoreInspection | undefined {
    return this.#life.inspectStore();
  }

  /** False at the end. */
  async stepForward(): Promise<boolean> {
    const step = await this.#life.next();
    if (step === undefined) return false;
    const before = this.#situation?.machines ?? new Map();
    // A stopped agent does not answer: its machines are gone.
    const machines = step.status === undefined ? new Map<string, string>() : machineStates(step.status);
    this.#situation = { ...step, machines, changes: changesBetween(before, machines) };
    this.#keep(step);
    return true;
  }

  /** False at the start. */
  async stepBack(): Promise<boolean> {
    const { step } = this.situation.recorded;
    if (step === 0) return false;
    await this.goTo(step - 1);
    return true;
  }

  /** Goes to the state after that step, or after the last step. */
  async goTo(step: number): Promise<void> {
    if (step < this.situation.recorded.step) this.#beginAnew();
    while ((this.#situation?.recorded.step ?? -1) < step && (await this.stepForward()));
  }

  #beginAnew(): void {
    this.#life = new ReplayedLife(this.recording);
    this.#situation = undefined;
    this.#divergences = [];
    this.#divergencesTotal = 0;
    this.#violations = [];
    this.#violationsTotal = 0;
    this.#skipped = 0;
    this.#ownTimers = 0;
    this.#counters = {};
  }

  #keep({ divergences, violations, isSkipped, ownTimers, status }: ReplayedStep): void {
    this.#divergencesTotal += divergences.length;
    this.#violationsTotal += violations.length;
    this.#divergences.push(...divergences.slice(0, KEPT_MAX - this.#divergences.length));
    this.#violations.push(...violations.slice(0, KEPT_MAX - this.#violations.length));
    if (isSkipped) this.#skipped += 1;
    this.#ownTimers += ownTimers;
    if (status !== undefined) this.#counters = status.counters;
  }
}

function endsIn(prefix: string, counters: StatusReply['counters']): Ends {
  return Object.fromEntries(ends.flatMap((end) => (counters[prefix + end] ? [[end, counters[prefix + end]]] : [])));
}
