/** Makes text from another process safe for a terminal: a character that cannot be printed becomes `?`. */
export function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '?');
}
