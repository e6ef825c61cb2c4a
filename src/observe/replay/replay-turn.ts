/** What goes on in a replay now. Shared by the ports that the agent sees. */
import type { Output } from '../recording/record.js';
import type { RecordedStep } from './recording.js';

export class ReplayTurn {
  /** The step that is being replayed. Undefined while something happens that the recording does not have. */
  recorded: RecordedStep | undefined;
  nowMs: number;
  readonly #outputs: Output[] = [];

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  note(output: Output): void {
    this.#outputs.push(output);
  }

  /** What the agent has done since this was last asked. */
  takeOutputs(): Output[] {
    return this.#outputs.splice(0);
  }
}
