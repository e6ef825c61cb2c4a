/** Makes text from another process safe for a terminal: a character that cannot be printed becomes `?`. */
export function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '?');
}

/** As `printable`, for text of several lines. All but the first are indented, so that none passes for a line of another sender. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n  ');
}
