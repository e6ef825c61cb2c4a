import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { patient } from './src/processes/patience.js';

/** Tests that load the native addon or start a program. Each file has a process, because the addon belongs to a process. */
const PROCESS = [
  'test/cli/demo/{child,supervised-child}.test.ts',
  'test/contract/**/*.test.ts',
  'test/control/nats-*.test.ts',
  'test/native/**/*.test.ts',
];

/** Tests that start agents, end processes, or take many seconds: `npm run test:system`. */
const SYSTEM = [
  'test/integration/**/*.test.ts',
  'test/native/{hostile-*,idle,lifetime,shrinking-*}.test.ts',
  'test/proof/chaos/**/*.test.ts',
  'test/proof/rolling/rolling.test.ts',
  'test/proof/simulation/planted.test.ts',
];

/** Tests that need a browser: `npm run test:browser`. */
const BROWSER = ['test/browser/**'];

/** Tests that need a CUDA device: `npm run test:gpu`. */
const GPU = ['test/gpu/**'];
/** Tests that need an RDMA device: `npm run test:rdma`. */
const DEVICE = ['test/rdma/**'];

/** Of every project. */
const common = {
  // Generous, because a loaded machine is slow; a test that waits for a condition ends as soon as it holds.
  testTimeout: patient(30_000),
  hookTimeout: patient(30_000),
  teardownTimeout: patient(10_000),
  // A test passes the first time or it has found something.
  retry: 0,
  restoreMocks: true,
  unstubEnvs: true,
} as const;

export default defineConfig({
  test: {
    globalSetup: ['test/support/environment.mjs'],
    // Every core. The default leaves one out, which is half of a machine with two.
    maxWorkers: availableParallelism(),
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...BROWSER, ...DEVICE, ...GPU, ...PROCESS, ...SYSTEM],
          pool: 'threads',
          // These tests own nothing global, so the files that a thread runs can share its modules.
          isolate: false,
        },
      },
      { test: { ...common, name: 'process', include: PROCESS, exclude: SYSTEM, pool: 'forks' } },
      {
        test: {
          ...common,
          name: 'system',
          // Each starts several processes.
          testTimeout: patient(180_000),
          hookTimeout: patient(180_000),
          include: SYSTEM,
          pool: 'forks',
          globalSetup: ['test/support/compile-programs.mjs'],
        },
      },
    ],
  },
});
