/** What of a recording's future a replay must know: how its questions will be named, and what is answered at once. */
import type { Call, PortError } from '../recording/record.js';
import { saidBy, sortedText } from './message-body.js';
import type { Recording } from './recording.js';

/** A question as it was asked in the recording. */
export interface RecordedQuestion {
  readonly question: string;
  /** It was refused at once. */
  readonly threw: PortError | undefined;
}

export class Foresight {
  readonly #questions = new Map<string, RecordedQuestion[]>();
  readonly #reachable = new Map<string, boolean[]>();

  constructor({ steps }: Recording) {
    for (const output of steps.flatMap(({ outputs }) => outputs)) {
      if (output.out === 'ask') {
        const { question, error: threw } = output;
        append(this.#questions, signatureOf(output.call, output.with), { question, threw });
      } else if (output.out === 'reach') append(this.#reachable, JSON.stringify(output.endpoint), output.reachable);
    }
  }

  /** The question was asked once more: how it was named. Undefined when it was not asked that often. */
  asked(call: Call, args: Record<string, unknown>): RecordedQuestion | undefined {
    return this.#questions.get(signatureOf(call, args))?.shift();
  }

  /** What `canReach` answered then, or the last time that it was asked about that endpoint. */
  reachable(endpoint: object): boolean {
    const answers = this.#reachable.get(JSON.stringify(endpoint)) ?? [];
    const [answer = false] = answers;
    if (answers.length > 1) answers.shift();
    return answer;
  }
}

/** Which of two questions are the same: what is asked, not how much time is left for the answer. */
function signatureOf(call: Call, args: Record<string, unknown>): string {
  const { timeoutMs: _, body, ...rest } = args;
  const said = saidBy(body);
  const timeless = said !== null && typeof said === 'object' ? { ...said, timeoutMs: undefined } : said;
  return sortedText([call, rest, timeless]);
}

function append<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
