/** The bytes of a chunk in the simulation, derived from its key, so that a check can tell which key they belong to. */
export const PAGE_BYTES = 16;

const SHORT_BYTES = 9;
const SHORT_ONE_IN = 4;
const OVERWRITTEN = 0xee;
const FNV_OFFSET = 2166136261;
const FNV_PRIME = 16777619;
const MIXER = 2246822519;

const known = new Map<string, Uint8Array>();

/** The chunk of a key. The same key always has the same length and bytes. Some chunks do not fill their page. */
export function chunkOf(key: string): Uint8Array {
  const chunk = known.get(key) ?? make(key);
  known.set(key, chunk);
  return chunk;
}

/** True if the chunk of `key` is at `offset` of `memory`. */
export function holdsChunk(memory: Uint8Array, offset: number, key: string): boolean {
  const chunk = chunkOf(key);
  for (let index = 0; index < chunk.length; index += 1) if (memory[offset + index] !== chunk[index]) return false;
  return true;
}

/** What an engine does with memory that came back to it. */
export function overwrite(memory: Uint8Array, offset: number): void {
  memory.fill(OVERWRITTEN, offset, offset + PAGE_BYTES);
}

function make(key: string): Uint8Array {
  let state = FNV_OFFSET;
  for (const character of key) state = Math.imul(state ^ character.charCodeAt(0), FNV_PRIME);
  const length = (state >>> 0) % SHORT_ONE_IN === 0 ? SHORT_BYTES : PAGE_BYTES;
  return Uint8Array.from({ length }, () => {
    state = Math.imul(state ^ (state >>> 15), MIXER) + 1;
    return state >>> 24;
  });
}
