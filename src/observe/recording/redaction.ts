/**
 * Replaces the tokens of remote keys in a recording. Equal tokens get equal replacements, so that the recording can be read
 * and replayed without the tokens.
 */
import { createHash } from 'node:crypto';

const DIGITS = 16;
/** A field `token` in JSON text. Inside a string its quotes would be escaped. */
const TOKEN_FIELD = /("token"\s*:\s*)("(?:[^"\\]|\\.)*")/g;

export class Redaction {
  readonly #salt: string;

  /** `salt`: a secret; without it short tokens could be guessed. */
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
      // Not JSON: it may contain a damaged token.
      return JSON.stringify(this.token(quoted));
    }
  }
}
