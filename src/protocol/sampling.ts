/** Which requests are shown when not all can be: the same at every agent, so that those that are shown are whole. */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** Is this one of the requests that are looked at, of one in `oneIn`? Those of twice `oneIn` are among those of `oneIn`. */
export function isSampled(request: string, oneIn: number): boolean {
  return oneIn <= 1 || hashOf(request) % oneIn === 0;
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = FNV_OFFSET;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME);
  return hash >>> 0;
}
