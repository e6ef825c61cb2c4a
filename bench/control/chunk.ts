/** Of every chunk of this suite: what travels is next to nothing. */
export const CHUNK_BYTES = 1;
