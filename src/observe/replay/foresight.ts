/** What a replay must know in advance from its recording: the names of its questions, and the immediate answers. */
import type { Call, PortError } from '../recording/record.js';
import { saidBy, sortedText } from './message-body.js';
import type { Recording } from './recording.js';

/** A question in the recording. */
export interface RecordedQuestion {
  readonly question: string;
  /** The port refused the question at once. */
  readonly threw: PortError | undefined;
}

interface Reach {
  readonly reachable: boolean;
  readonly reason?: string | undefined;
}

export class Foresight {
  readonly #questions = new Map<string, RecordedQuestion[]>();
  readonly #reached = new Map<string, Reach[]>();

  constructor({ steps }: Recording) {
    for (const output of steps.flatMap(({ outputs }) => outputs)) {
      if (output.out === 'ask') {
        const { question, error: threw } = output;
        append(this.#questions, signatureOf(output.call, output.with), { question, threw });
      } else if (output.out === 'reach') append(this.#reached, JSON.stringify(output.endpoint), output);
    }
  }

  /** The recorded name of the next question of this kind. Undefined when the recording has no more of them. */
  asked(call: Call, args: Record<string, unknown>): RecordedQuestion | undefined {
    return this.#questions.get(signatureOf(call, args))?.shift();
  }

  /** The recorded answer of `unreachable`, or its last answer for that endpoint. */
  reach(endpoint: object): Reach {
    const answers = this.#reached.get(JSON.stringify(endpoint)) ?? [];
    const [answer = { reachable: false }] = answers;
    if (answers.length > 1) answers.shift();
    return answer;
  }
}

/** Identifies equal questions: by their content, without the time left for the answer. */
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
