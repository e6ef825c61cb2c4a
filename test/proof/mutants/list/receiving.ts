import type { Mutant } from '../mutant.js';

export const receivingMutants: readonly Mutant[] = [];
