import { defineConfig } from 'vitest/config';

/** The suites that the guest runs on its device. `npm run test:rdma` starts it there, with the files as arguments. */
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/contract/**/*.test.ts', 'test/native/**/*.test.ts', 'test/rdma/**/*.test.ts'],
    pool: 'forks',
    // One file at a time: each has the device for itself, and its time does not depend on the others.
    fileParallelism: false,
    // The emulated machine is slow. Every limit is only there to end a run that hangs.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    retry: 0,
  },
});
