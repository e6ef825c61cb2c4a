/** Keys of a keyboard, one at a time. */
import { emitKeypressEvents, type Key } from 'node:readline';
import type { ReadStream } from 'node:tty';

export type Keys = AsyncIterable<string>;

/**
 * Yields each key pressed at a terminal: a character, or a name such as `right`, `return` or `backspace`. Echoes nothing.
 * Ctrl-C, Ctrl-D, the end of the input and `signal` end it.
 */
export async function* keysOf(input: ReadStream, signal?: AbortSignal): Keys {
  const waiting: string[] = [];
  let hasEnded = false;
  let wake: () => void = () => undefined;
  const onKey = (character: string | undefined, { name = '', ctrl }: Key) => {
    if (ctrl === true && (name === 'c' || name === 'd')) hasEnded = true;
    else waiting.push(isPrintable(character) ? character : name);
    wake();
  };
  const onEnd = () => {
    hasEnded = true;
    wake();
  };
  emitKeypressEvents(input);
  input.on('keypress', onKey).on('end', onEnd);
  signal?.addEventListener('abort', onEnd, { once: true });
  input.setRawMode(true);
  try {
    while (!hasEnded || waiting.length > 0) {
      const key = waiting.shift();
      if (key !== undefined) yield key;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    input.setRawMode(false);
    input.off('keypress', onKey).off('end', onEnd);
    signal?.removeEventListener('abort', onEnd);
    // An open input would keep the process alive.
    input.pause();
  }
}

function isPrintable(character: string | undefined): character is string {
  return character !== undefined && /^[\x20-\x7e]$/.test(character);
}
