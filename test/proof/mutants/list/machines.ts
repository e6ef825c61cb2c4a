import type { Mutant } from '../mutant.js';

export const machineMutants: readonly Mutant[] = [];
