/** Steps of a recording as lines of text. */

import type { Output, PortError, Step } from '../../observe/recording/record.js';
import type { RecordedStep, Recording } from '../../observe/replay/recording.js';
import { messageOf } from '../../protocol/subjects.js';

const ELLIPSIS = '…';
const STEP_WIDTH = 7;
const TIME_WIDTH = 12;
const TIME_DIGITS = 3;
/** Longest body in a list of steps. */
const BODY_LENGTH_LISTED = 100;

export class StepTexts {
  /** Questions and timers, by name. */
  readonly #named = new Map<string, Output>();
  readonly #startedMs: number;

  constructor({ header, steps }: Recording) {
    this.#startedMs = header.atMs;
    for (const output of steps.flatMap(({ outputs }) => outputs)) {
      if (output.out === 'ask') this.#named.set(output.question, output);
      if (output.out === 'timer.set') this.#named.set(output.timer, output);
    }
  }

  /** One line: number, milliseconds since the start, the input, and the kinds of outputs. */
  listed(step: RecordedStep): string {
    const effects = counted(step.outputs.map(({ out }) => out));
    const number = String(step.step).padStart(STEP_WIDTH);
    const time = this.timeOf(step).padStart(TIME_WIDTH);
    return `${number} ${time}  ${this.input(step, BODY_LENGTH_LISTED)}${effects === '' ? '' : `  → ${effects}`}`;
  }

  timeOf({ atMs }: RecordedStep): string {
    return (atMs - this.#startedMs).toFixed(TIME_DIGITS);
  }

  input({ input }: RecordedStep, bodyLengthMax: number): string {
    if (input === undefined) return 'start';
    return shortened(this.#input(input), bodyLengthMax);
  }

  /** True if the step, or the question that it answers, names this request, agent or key. */
  names({ input, outputs }: RecordedStep, id: string): boolean {
    const escaped = id.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    return new RegExp(`(^|[^A-Za-z0-9_])${escaped}($|[^A-Za-z0-9_])`).test(this.#whole(input, outputs));
  }

  contains({ input, outputs }: RecordedStep, text: string): boolean {
    return this.#whole(input, outputs).includes(text);
  }

  #whole(input: Step | undefined, outputs: readonly Output[]): string {
    const asked = input?.in === 'answer' ? this.#named.get(input.question) : undefined;
    return JSON.stringify([input, asked, outputs]).replaceAll('\\"', '"');
  }

  #input(input: Step): string {
    switch (input.in) {
      case 'message':
        return `message ${messageOf(input.subject)} ${input.body}`;
      case 'answer':
        return `answer to ${this.#asked(input.question)}: ${valueText(input.value, input.error)}`;
      case 'timer': {
        const set = this.#named.get(input.timer);
        return `timer ${input.timer}${set?.out === 'timer.set' ? ` of ${set.delayMs} ms` : ''}`;
      }
      case 'status':
        return `NATS ${input.status}`;
      case 'stop':
        return 'order to stop';
    }
  }

  #asked(question: string): string {
    const asked = this.#named.get(question);
    if (asked?.out !== 'ask') return question;
    const subject = asked.with['subject'];
    return `${question} ${asked.call}${typeof subject === 'string' ? ` ${messageOf(subject)}` : ''}`;
  }
}

export function outputText(output: Output): string {
  const failed = 'error' in output && output.error !== undefined ? ` threw ${errorText(output.error)}` : '';
  switch (output.out) {
    case 'publish':
      return `publish ${output.subject} ${output.body}${failed}`;
    case 'respond':
      return `respond to step ${output.message}: ${output.body}${failed}`;
    case 'subscribe':
    case 'unsubscribe':
      return `${output.out} ${output.subject}`;
    case 'reconnect':
      return 'open another connection to NATS';
    case 'ask':
      return `ask ${output.question} ${output.call} ${JSON.stringify(output.with)}${failed}`;
    case 'write.stop':
      return `stop write ${output.question}`;
    case 'timer.set':
      return `set timer ${output.timer} of ${output.delayMs} ms`;
    case 'timer.clear':
      return `clear timer ${output.timer}`;
    case 'reach':
      return `can reach ${output.endpoint.provider} ${output.endpoint.address}: ${output.reason ?? output.reachable}`;
  }
}

export function shortened(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax)}${ELLIPSIS}`;
}

function valueText(value: unknown, error: PortError | undefined): string {
  if (error !== undefined) return errorText(error);
  if (value === undefined) return 'done';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function errorText({ code, message }: PortError): string {
  return code === undefined ? message : `${code}: ${message}`;
}

/** `publish, timer.set ×2` */
function counted(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => (count === 1 ? name : `${name} ×${count}`)).join(', ');
}
