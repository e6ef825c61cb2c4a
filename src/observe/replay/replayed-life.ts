/** One life of the shipped agent, fed from a recording, step by step. It cannot go back: begin another one. */
import { pino } from 'pino';
import { Agent } from '../../actors/agent/agent-actor.js';
import type { StoreInspection } from '../../actors/receiving/receiver.js';
import { decodeReply } from '../../protocol/codec.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import {
  type OperationReply,
  type OperationRequest,
  operationSchemas,
  type StatusReply,
} from '../../protocol/operations.js';
import { type Operation, subjects } from '../../protocol/subjects.js';
import type { Output, Step } from '../recording/record.js';
import { compareOutputs, type Divergence } from './divergence.js';
import { Foresight } from './foresight.js';
import { Questions } from './questions.js';
import type { RecordedStep, Recording } from './recording.js';
import { ReplayClock } from './replay-clock.js';
import { ReplayControl } from './replay-control.js';
import { ReplayFabric } from './replay-fabric.js';
import { ReplayTurn } from './replay-turn.js';
import { type Violation, Watch } from './violations.js';

/** What happened in one step of a replay. */
export interface ReplayedStep {
  readonly recorded: RecordedStep;
  /** What the agent did. */
  readonly outputs: readonly Output[];
  /** Nobody waited for the input: it answers what was not asked, or is of a timer that is not set. */
  readonly isSkipped: boolean;
  /** Timers that fired before it and that the recording does not have. */
  readonly ownTimers: number;
  readonly divergences: readonly Divergence[];
  readonly violations: readonly Violation[];
  /** What the agent logged, a JSON object a line. */
  readonly log: readonly string[];
  /** The agent's `status` after it, as long as it answers. */
  readonly status: StatusReply | undefined;
}

/** What a replayed agent remembers of what has happened, when it remembered nothing as it was recorded. */
const JOURNAL_ENTRIES = 16_384;

/** What may be asked of it without changing it. */
type Question = Extract<Operation, 'describe' | 'status' | 'inspect' | 'journal' | 'explain'>;

export class ReplayedLife {
  readonly #recording: Recording;
  readonly #turn: ReplayTurn;
  readonly #clock: ReplayClock;
  readonly #questions: Questions;
  readonly #control: ReplayControl;
  readonly #agent: Agent;
  readonly #watch: Watch;
  readonly #log: string[] = [];
  readonly #thrown: unknown[] = [];
  /** The next step. */
  #next = 0;

  constructor(recording: Recording) {
    const { epoch, version, options, offer, atMs } = recording.header;
    const foresight = new Foresight(recording);
    this.#recording = recording;
    this.#turn = new ReplayTurn(atMs);
    this.#turn.recorded = recording.steps[0];
    this.#clock = new ReplayClock(this.#turn);
    this.#questions = new Questions(this.#turn, this.#clock, foresight);
    this.#control = new ReplayControl(this.#turn, this.#questions);
    this.#agent = new Agent(
      { ...options, journalEntries: JOURNAL_ENTRIES },
      {
        control: this.#control,
        fabric: new ReplayFabric(this.#turn, this.#questions, foresight, offer),
        clock: this.#clock,
        logger: pino(
          { level: 'debug', base: null, timestamp: false },
          { write: (line) => this.#log.push(line.trimEnd()) },
        ),
        newEpoch: () => epoch,
        version,
      },
    );
    this.#watch = new Watch(this.#agent, options.role === 'prefill' ? 0 : options.arena.pages);
  }

  /** Replays the next step and all that follows from it. Undefined when there is none. */
  async next(): Promise<ReplayedStep | undefined> {
    const recorded = this.#recording.steps[this.#next];
    if (recorded === undefined) return undefined;
    this.#next += 1;
    this.#turn.recorded = undefined;
    const ownTimers = await this.#clock.runOwn(recorded.atMs, settled);
    this.#turn.recorded = recorded;
    this.#turn.nowMs = recorded.atMs;
    const isSkipped = !this.#deliver(recorded);
    await settled();
    for (const output of recorded.outputs) if (output.out === 'timer.clear') this.#clock.release(output.timer);
    const outputs = this.#turn.takeOutputs();
    const status = this.ask('status', {});
    const violations = this.#watch.look(recorded.step, outputs, status, this.#thrown.splice(0));
    const divergences = this.#compare(recorded, outputs);
    return { recorded, outputs, isSkipped, ownTimers, divergences, violations, log: this.#log.splice(0), status };
  }

  /** The store of an agent that receives. */
  inspectStore(): StoreInspection | undefined {
    return this.#agent.inspectStore();
  }

  /**
   * Asks the agent, as it is now, as anybody would ask; the recording knows nothing of it. Undefined when it answers no
   * more. Throws what it answers instead.
   */
  ask<Q extends Question>(question: Q, input: Partial<OperationRequest<Q>>): OperationReply<Q> | undefined {
    const { agent } = this.#recording.header.options;
    const subject = subjects.operation(agent, question);
    const body = JSON.stringify({ v: PROTOCOL_VERSION, ...input });
    let answer: string | undefined;
    const respond = (text: string) => {
      answer = text;
    };
    this.#control.hand(subjects.operations(agent), { subject, body, respond });
    return answer === undefined
      ? undefined
      : (decodeReply(operationSchemas[question].reply, answer) as OperationReply<Q>);
  }

  /** False when nobody waits for the input. */
  #deliver({ step, input }: RecordedStep): boolean {
    try {
      return input === undefined ? this.#start() : this.#hand(step, input);
    } catch (error) {
      this.#thrown.push(error);
      return true;
    }
  }

  #start(): true {
    // That it could not start was logged by whoever started it; here it is in what follows.
    this.#agent.start().catch((error: unknown) => this.#log.push(JSON.stringify({ msg: `did not start: ${error}` })));
    return true;
  }

  #hand(step: number, input: Step): boolean {
    switch (input.in) {
      case 'message':
        return this.#control.deliver(input.to, input.subject, input.body, step);
      case 'answer':
        return this.#questions.answer(input.question, input.value, input.error);
      case 'timer':
        return this.#clock.fire(input.timer);
      case 'status':
        this.#control.changed(input.status);
        return true;
      case 'stop':
        void this.#agent.stop();
        return true;
    }
  }

  #compare(recorded: RecordedStep, outputs: readonly Output[]): Divergence[] {
    const found = compareOutputs(recorded.step, recorded.outputs, outputs);
    const isLast = recorded.step === this.#recording.steps.length - 1;
    // What followed from the last input may not have been written any more.
    if (isLast && this.#recording.end !== 'stopped') return found.filter(({ kind }) => kind !== 'new');
    return found;
  }
}

/** Lets every promise that can settle do so. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
