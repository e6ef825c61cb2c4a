/**
 * How many parts a JSON text has, counted before it is parsed: a megabyte can have 300,000 objects, or 60,000 fields, and takes
 * many times as long to parse as any message of kvferry (P28). Whether it is JSON is not the question here.
 */
import { KvferryError } from './errors.js';
import { LIST_LENGTH_MAX } from './limits.js';

/** Objects and lists of a message. A `put` of 5,000 chunks in pieces has 10,000. */
const CONTAINERS_MAX = 32_768;
/** Fields of an object. The counters of a `status` reply are the most. */
const FIELDS_MAX = 1024;
/** A shorter text cannot have too many of anything. */
const COUNTED_LENGTH_MIN = 2 * FIELDS_MAX;

/** After so many steps a regular expression looks for the next character of the structure. It passes plain text faster, but starts slowly. */
const STEPS_BETWEEN_JUMPS = 64;
const STRUCTURE = /["[\]{},]/g;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;

/** Throws `invalid_field` when the text has more parts than any message. */
export function refuseManyParts(text: string): void {
  if (text.length < COUNTED_LENGTH_MIN) return;
  /** For each object and list that is open: how many more commas it may have. */
  const left: number[] = [];
  let containers = 0;
  let steps = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    steps += 1;
    if (steps > STEPS_BETWEEN_JUMPS) {
      at = nextOfStructure(text, at) - 1;
      steps = 0;
    } else if (code === QUOTE) {
      at = endOfString(text, at);
    } else if (code === OPEN_OBJECT || code === OPEN_LIST) {
      containers += 1;
      if (containers > CONTAINERS_MAX) throw tooMany(`more than ${CONTAINERS_MAX} objects and lists`);
      left.push(code === OPEN_OBJECT ? FIELDS_MAX - 1 : LIST_LENGTH_MAX - 1);
    } else if (code === CLOSE_OBJECT || code === CLOSE_LIST) {
      left.pop();
    } else if (code === COMMA && left.length > 0) {
      const more = (left.at(-1) as number) - 1;
      if (more < 0)
        throw tooMany(
          `a list of more than ${LIST_LENGTH_MAX} elements, or an object of more than ${FIELDS_MAX} fields`,
        );
      left[left.length - 1] = more;
    }
  }
}

/** Where the next character of the structure is, from `start` on; the end of the text when there is none. */
function nextOfStructure(text: string, start: number): number {
  STRUCTURE.lastIndex = start;
  return STRUCTURE.test(text) ? STRUCTURE.lastIndex - 1 : text.length;
}

/** Where the string that begins at `start` ends; the end of the text when it does not. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before -= 1;
    if ((end - before) % 2 === 1) return end;
  }
  return text.length;
}

function tooMany(what: string): KvferryError {
  return new KvferryError('invalid_field', `message: it has ${what}`, { field: 'message' });
}
