import type { Mutant } from '../mutant.js';

export const storeMutants: readonly Mutant[] = [
  {
    id: 'store-generation-stays',
    module: 'src/store/page-table.ts',
    find: 'const generation = this.generation(page) + 1;',
    replace: 'const generation = this.generation(page);',
    defect: 'A page that is given out again keeps its generation, so a stale handle looks valid.',
  },
];
