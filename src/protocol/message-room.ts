/** The room in a message: how much a value takes as JSON, and which of many values fit. */

/** Bytes of a value in a JSON body. */
export function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** Counts what is put into a list of a JSON body, and says when it is full. */
export class MessageRoom {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Takes room for one more element of `bytes` bytes, with its comma. False, and no room is taken, when it does not fit. */
  take(bytes: number): boolean {
    const needed = bytes + 1;
    if (needed > this.#left) return false;
    this.#left -= needed;
    return true;
  }
}

/**
 * Cuts a list into parts, in order: each has at most `lengthMax` elements, and at most `bytesMax` bytes by `bytesOf`. An element
 * that is larger than that is a part of its own. An empty list is one empty part.
 */
export function inMessages<T>(
  list: readonly T[],
  lengthMax: number,
  bytesOf: (element: T) => number,
  bytesMax: number,
): T[][] {
  let part: T[] = [];
  const parts = [part];
  let left = bytesMax;
  for (const element of list) {
    const bytes = bytesOf(element) + 1;
    if (part.length > 0 && (part.length >= lengthMax || bytes > left)) {
      part = [];
      parts.push(part);
      left = bytesMax;
    }
    part.push(element);
    left -= bytes;
  }
  return parts;
}

/** The first elements that fit into `bytes` bytes of a JSON body, at most `limit`. */
export function fitting<T>(list: readonly T[], limit: number, bytes: number): T[] {
  const room = new MessageRoom(bytes);
  const end = list.findIndex((element, index) => index >= limit || !room.take(jsonBytes(element)));
  return list.slice(0, end < 0 ? list.length : end);
}
