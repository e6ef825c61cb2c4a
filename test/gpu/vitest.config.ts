import { defineConfig } from 'vitest/config';

/** `npm run test:gpu`: the fabric contract on a CUDA device. */
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/gpu/**/*.test.ts'],
    globalSetup: ['test/support/environment.mjs'],
    pool: 'forks',
    maxWorkers: 1,
    // The first use of a device takes seconds.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    retry: 0,
  },
});
