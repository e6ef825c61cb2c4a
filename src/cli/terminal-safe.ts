/** A colour, which kvferry itself writes, or a character that a terminal obeys instead of showing it. */
const OBEYED = /\p{Cc}\[[\d;]*m|[\p{Cc}\p{Bidi_Control}]/gu;
const COLOUR_START = '\u001b[';

/**
 * Makes text safe for a terminal, whatever other processes put into it: a character that a terminal would obey becomes
 * `\u001b` in six characters. In JSON text this changes no value.
 */
export function terminalSafe(text: string): string {
  return text.replaceAll(OBEYED, (found) => {
    if (found.startsWith(COLOUR_START) || found === '\n' || found === '\t') return found;
    return `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}${found.slice(1)}`;
  });
}
