/** A recording in memory. */
import type { Header, Output, RecordingEnd, Step } from '../recording/record.js';

/** An input, and the outputs that followed from it. Step 0, the start, has no input. */
export interface RecordedStep {
  readonly step: number;
  readonly atMs: number;
  readonly input: Step | undefined;
  readonly outputs: readonly Output[];
}

export interface Recording {
  readonly header: Header;
  readonly steps: readonly RecordedStep[];
  /** Undefined when the recording was cut off. The outputs of its last step may then be incomplete. */
  readonly end: RecordingEnd | undefined;
}
