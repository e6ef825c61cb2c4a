/** The configurations that `npm run explore` explores completely. Sizes and times are in docs/exploration.md. */
import type { Budget, Configuration } from './configuration.js';

type Shape = Omit<Configuration, 'budget'>;

const NOTHING: Budget = { loss: 0, duplicate: 0, crash: 0, cancel: 0, timeout: 0, fabric: 0 };

/** Both requests have the same prompt: the second one joins. */
const SHARED: Shape = { pages: 2, batches: [[['x', 'y']], [['x', 'y']]] };

/** Both requests have the same chunks in opposite orders. */
const REVERSED: Shape = { pages: 2, batches: [[['x', 'y']], [['y', 'x']]] };

/** One of two equal prompts comes in two batches, so each request may write one chunk and join the other. */
const BATCHES: Shape = { pages: 2, batches: [[['x'], ['y']], [['x', 'y']]] };

/** Both of two equal prompts come in two batches. */
const BOTH_BATCHES: Shape = {
  pages: 2,
  batches: [
    [['x'], ['y']],
    [['x'], ['y']],
  ],
};

/** The longer prompt joins the first chunk of the shorter one and writes the second. */
const PREFIX: Shape = { pages: 2, batches: [[['x']], [['x', 'y']]] };

/** One page and two requests that each need it, so one waits for the other. */
const SCARCE: Shape = { pages: 1, batches: [[['x']], [['y']]] };

function within(shape: Shape, budget: Partial<Budget>): Configuration {
  return { ...shape, budget: { ...NOTHING, ...budget } };
}

export const configurations: Readonly<Record<string, Configuration>> = {
  'no-fault': within(SHARED, {}),
  'loss-duplicate-crash': within(SHARED, { loss: 1, duplicate: 1, crash: 1 }),
  'loss-cancel': within(SHARED, { loss: 1, cancel: 1 }),
  'loss-timeout': within(SHARED, { loss: 1, timeout: 1 }),
  'loss-fabric': within(SHARED, { loss: 1, fabric: 1 }),
  'duplicate-cancel': within(SHARED, { duplicate: 1, cancel: 1 }),
  'duplicate-timeout': within(SHARED, { duplicate: 1, timeout: 1 }),
  'duplicate-fabric': within(SHARED, { duplicate: 1, fabric: 1 }),
  'crash-cancel': within(SHARED, { crash: 1, cancel: 1 }),
  'crash-timeout': within(SHARED, { crash: 1, timeout: 1 }),
  'crash-fabric': within(SHARED, { crash: 1, fabric: 1 }),
  'crash-crash': within(SHARED, { crash: 2 }),
  'cancel-timeout': within(SHARED, { cancel: 1, timeout: 1 }),
  'cancel-fabric': within(SHARED, { cancel: 1, fabric: 1 }),
  'timeout-fabric': within(SHARED, { timeout: 1, fabric: 1 }),
  'loss-crash-cancel': within(SHARED, { loss: 1, crash: 1, cancel: 1 }),
  'crash-cancel-fabric': within(SHARED, { crash: 1, cancel: 1, fabric: 1 }),
  'reversed-loss-crash': within(REVERSED, { loss: 1, crash: 1 }),
  'prefix-loss-crash': within(PREFIX, { loss: 1, crash: 1 }),
  'prefix-crash-fabric': within(PREFIX, { crash: 1, fabric: 1 }),
  'batches-no-fault': within(BATCHES, {}),
  'batches-crash': within(BATCHES, { crash: 1 }),
  'batches-loss': within(BATCHES, { loss: 1 }),
  'batches-fabric': within(BATCHES, { fabric: 1 }),
  'batches-cancel': within(BATCHES, { cancel: 1 }),
  'both-batches-loss': within(BOTH_BATCHES, { loss: 1 }),
  'both-batches-crash': within(BOTH_BATCHES, { crash: 1 }),
  'scarce-loss-crash': within(SCARCE, { loss: 1, crash: 1 }),
  'scarce-crash-cancel': within(SCARCE, { crash: 1, cancel: 1 }),
  'scarce-duplicate-cancel': within(SCARCE, { duplicate: 1, cancel: 1 }),
  'scarce-timeout-fabric': within(SCARCE, { timeout: 1, fabric: 1 }),
};
