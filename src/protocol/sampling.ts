/** Sampling of requests. Every agent selects the same requests, so a selected request is visible at both of its agents. */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** Whether `request` is among the selected ones, one in `oneIn`. The selection for 2 × `oneIn` is a subset of it. */
export function isSampled(request: string, oneIn: number): boolean {
  return oneIn <= 1 || hashOf(request) % oneIn === 0;
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = FNV_OFFSET;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME);
  return hash >>> 0;
}
