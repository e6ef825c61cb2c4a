import type { Failure } from '../../protocol/fields.js';
import type { End } from '../../protocol/subjects.js';

/** How the whole request ended, as the lead has recorded it. */
export interface Verdict {
  readonly end: End;
  readonly failure: Failure | null;
}
