/**
 * Takes the tokens of remote keys out of what is recorded. The same token becomes the same text each time, so that a
 * recording can be followed, and replayed, without knowing any.
 */
import { createHash } from 'node:crypto';

const DIGITS = 16;
/** A field `token` in JSON text. Inside a string its quotes would be escaped. */
const TOKEN_FIELD = /("token"\s*:\s*)("(?:[^"\\]|\\.)*")/g;

export class Redaction {
  readonly #salt: string;

  /** `salt`: known to nobody else, or short tokens could be guessed. */
  constructor(salt: string) {
    this.#salt = salt;
  }

  token(token: string): string {
    const digest = createHash('sha256').update(this.#salt).update(token).digest('hex');
    return `redacted-${digest.slice(0, DIGITS)}`;
  }

  /** The body of a message. */
  body(text: string): string {
    if (!text.includes('"token"')) return text;
    return text.replaceAll(TOKEN_FIELD, (_, field: string, value: string) => `${field}${this.#value(value)}`);
  }

  #value(quoted: string): string {
    try {
      return JSON.stringify(this.token(JSON.parse(quoted) as string));
    } catch {
      // Not JSON: nobody can use it as a token, but it may be one that was damaged.
      return JSON.stringify(this.token(quoted));
    }
  }
}
