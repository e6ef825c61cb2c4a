import type { Mutant } from '../mutant.js';

export const peerMutants: readonly Mutant[] = [];
