/** The text of docs/asyncapi.json. */
import { asyncApiDocument } from '../../src/protocol/asyncapi.js';

export function asyncApiText(): string {
  const portable = (key: string, value: unknown) => (key === 'pattern' ? withoutClasses(value as string) : value);
  return `${JSON.stringify(asyncApiDocument(), portable, 2)}\n`;
}

/**
 * Validators in Python and Rust know no classes of Unicode. Control characters are two ranges. Halves of characters (`Cs`) do not occur
 * in UTF-8, so the document leaves them out; agents refuse them.
 */
function withoutClasses(pattern: string): string {
  return pattern.replaceAll('\\p{Cc}', '\\x00-\\x1f\\x7f-\\x9f').replaceAll('\\p{Cs}', '');
}
