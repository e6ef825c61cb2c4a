/** Of chunks whose bytes do not matter: what travels is next to nothing. */
export const CHUNK_BYTES = 1;
