import type { Mutant } from '../mutant.js';

export const controlMutants: readonly Mutant[] = [];
