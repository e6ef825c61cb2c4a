/** Texts from outside as people see them: cut to a length that a line of a log or a terminal can carry. */

import { keyWithSpace } from './tenants.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A key up to this length is shown whole. */
const KEY_SHOWN_MAX = 64;
/** Characters that a longer key shows of its end, which is where most engines put what differs between their keys. */
const KEY_TAIL = 32;

/** The text, or its beginning when it is longer than `lengthMax` characters. */
export function shortened(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : ownCopy(`${beginning(text, lengthMax - 1)}…`);
}

/** Part of a longer text keeps the whole of it in memory. A copy does not. */
export function ownCopy(part: string): string {
  return decoder.decode(encoder.encode(part));
}

/** A key for people. Of a long key its two ends: the messages of the protocol (`explain --json`, `journal`) have the whole. */
export function shownKey(whole: string): string {
  const key = keyWithSpace(whole);
  if (key.length <= KEY_SHOWN_MAX) return key;
  const tail = key.slice(-KEY_TAIL);
  const end = isLowSurrogate(tail.charCodeAt(0)) ? tail.slice(1) : tail;
  return `${beginning(key, KEY_SHOWN_MAX - KEY_TAIL - 1)}…${end}`;
}

/** The first characters. Does not cut a character in two. */
function beginning(text: string, length: number): string {
  return text.slice(0, isLowSurrogate(text.charCodeAt(length)) ? length - 1 : length);
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
