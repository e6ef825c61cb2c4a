/** A recording that was read. */
import type { Header, Output, RecordingEnd, Step } from '../recording/record.js';

/** What came in, and what the agent did because of it. Step 0, the start, has no input. */
export interface RecordedStep {
  readonly step: number;
  readonly atMs: number;
  readonly input: Step | undefined;
  readonly outputs: readonly Output[];
}

export interface Recording {
  readonly header: Header;
  readonly steps: readonly RecordedStep[];
  /** Undefined: it was cut off. The outputs of its last step may not be complete then. */
  readonly end: RecordingEnd | undefined;
}
