import type { Mutant } from '../mutant.js';

export const sendingMutants: readonly Mutant[] = [];
