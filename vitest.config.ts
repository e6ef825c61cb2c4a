import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // They need a browser: `npm run test:browser`.
    exclude: ['test/browser/**'],
    globalSetup: ['test/support/environment.mjs'],
    // A process for each file: the native addon belongs to a process, and its tests end processes.
    pool: 'forks',
    // Generous, because a loaded machine is slow; a test that waits for a condition ends as soon as it holds.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    // A test passes the first time or it has found something.
    retry: 0,
    restoreMocks: true,
    unstubEnvs: true,
  },
});
