/** Bytes that only one key has, so that a page in the wrong place, or half of one, is found. */

export interface Region {
  readonly offset: number;
  readonly length: number;
}

const bytesPerWord = 4;

export function pattern(key: string, bytes: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(bytes / bytesPerWord));
  let state = 0x811c9dc5;
  for (const character of key) state = Math.imul(state ^ character.charCodeAt(0), 0x01000193);
  state |= 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, bytes);
}
