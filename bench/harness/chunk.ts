/** Size of chunks whose bytes do not matter, so that almost nothing travels. */
export const CHUNK_BYTES = 1;
