import { defineConfig } from 'vitest/config';

/** `npm run test:browser`: the inspector's page in a real Chromium. */
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/browser/**/*.test.ts'],
    globalSetup: ['test/support/environment.mjs', 'test/browser/require-browser.mjs'],
    pool: 'forks',
    // Each file has a browser of its own; two at once are enough for a small machine.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    retry: 0,
  },
});
