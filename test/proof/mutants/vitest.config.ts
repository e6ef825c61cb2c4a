/** Runs tests on code with one mutant (`KVFERRY_MUTANT`). The mutant is planted while a module is loaded: no file changes. */
import { env } from 'node:process';
import { defineConfig, type Plugin } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { mutated } from './mutant.js';
import { mutantOf } from './mutants.js';
import { inOrder } from './near-tests.js';

const mutant = env['KVFERRY_MUTANT'] ? mutantOf(env['KVFERRY_MUTANT']) : undefined;

const plant: Plugin = {
  name: 'plant-mutant',
  enforce: 'pre',
  transform: (source, id) =>
    mutant !== undefined && id.endsWith(`/${mutant.module}`) ? mutated(mutant, source) : undefined,
};

class NearFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const byName = new Map(files.map((file) => [file.moduleId, file]));
    return inOrder([...byName.keys()]).map((name) => byName.get(name) as TestSpecification);
  }
}

export default defineConfig({
  plugins: [plant],
  test: {
    root: new URL('../../..', import.meta.url).pathname,
    globalSetup: ['test/support/environment.mjs'],
    include: env['KVFERRY_DEEP'] ? ['test/proof/mutants/deep-search.ts'] : ['test/**/*.test.ts'],
    exclude: [
      'test/browser/**',
      'test/integration/**',
      'test/native/**',
      'test/contract/**',
      'test/proof/{chaos,mutants}/*.test.ts',
      'test/proof/simulation/planted.test.ts',
    ],
    pool: 'threads',
    isolate: false,
    maxWorkers: 1,
    bail: 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    retry: 0,
    sequence: { sequencer: NearFirst },
    restoreMocks: true,
    unstubEnvs: true,
  },
});
