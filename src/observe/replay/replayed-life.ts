/** One run of the shipped agent on a recording, step by step. To go back, start another run. */
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
import { ALL_TENANTS } from '../../protocol/tenants.js';
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

/** The result of one replayed step. */
export interface ReplayedStep {
  readonly recorded: RecordedStep;
  /** The outputs of the agent. */
  readonly outputs: readonly Output[];
  /** The agent did not wait for the input: it had not asked that question, or had not set that timer. */
  readonly isSkipped: boolean;
  /** Timers that fired before the step and that the recording lacks. */
  readonly ownTimers: number;
  readonly divergences: readonly Divergence[];
  readonly violations: readonly Violation[];
  /** The log of the agent, one JSON object a line. */
  readonly log: readonly string[];
  /** The agent's `status` after the step, as long as the agent answers. */
  readonly status: StatusReply | undefined;
}

/** Journal entries of a replayed agent whose recorded setting was 0. */
const JOURNAL_ENTRIES = 16_384;

/** Operations that only read. */
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
    const { epoch, version, options, messageBytesMax, atMs } = recording.header;
    const foresight = new Foresight(recording);
    this.#recording = recording;
    this.#turn = new ReplayTurn(atMs);
    this.#turn.recorded = recording.steps[0];
    this.#clock = new ReplayClock(this.#turn);
    this.#questions = new Questions(this.#turn, this.#clock, foresight);
    this.#control = new ReplayControl(this.#turn, this.#questions, messageBytesMax);
    this.#agent = new Agent(
      { ...options, journalEntries: JOURNAL_ENTRIES },
      {
        control: this.#control,
        fabric: new ReplayFabric(this.#turn, this.#questions, foresight, recording.header),
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

  /** Replays the next step and everything that follows from it. Undefined after the last step. */
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
   * Asks the agent in its current state, as any client can. The recording is not affected. Undefined when the agent no longer
   * answers. Throws the error of an error reply.
   */
  ask<Q extends Question>(question: Q, input: Partial<OperationRequest<Q>>): OperationReply<Q> | undefined {
    const { agent } = this.#recording.header.options;
    const subject = subjects.operation(agent, ALL_TENANTS, question);
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

  /** False when the agent does not wait for the input. */
  #deliver({ step, input }: RecordedStep): boolean {
    try {
      return input === undefined ? this.#start() : this.#hand(step, input);
    } catch (error) {
      this.#thrown.push(error);
      return true;
    }
  }

  #start(): true {
    // In the recording, the caller logged the failed start. Here the log of the run shows it.
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
    // The outputs of the last input may be missing in the file.
    if (isLast && this.#recording.end !== 'stopped') return found.filter(({ kind }) => kind !== 'new');
    return found;
  }
}

/** Waits until every promise that can settle has settled. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
