/** Text from elsewhere, made harmless for a terminal: what is no printable character is shown as `?`. */
export function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '?');
}
