import type { Failure } from '../../protocol/fields.js';
import type { End } from '../../protocol/subjects.js';

/** How a request over several ranks ended, as its lead has recorded it. */
export interface Verdict {
  readonly end: End;
  readonly failure: Failure | null;
}
