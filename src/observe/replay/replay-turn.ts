/** The current turn of a replay, shared by the ports of the agent. */
import type { Output } from '../recording/record.js';
import type { RecordedStep } from './recording.js';

export class ReplayTurn {
  /** The step in replay. Undefined during an event that the recording lacks. */
  recorded: RecordedStep | undefined;
  nowMs: number;
  readonly #outputs: Output[] = [];

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  note(output: Output): void {
    this.#outputs.push(output);
  }

  /** Returns and clears the outputs since the last call. */
  takeOutputs(): Output[] {
    return this.#outputs.splice(0);
  }
}
