/** The worlds of two requests that `npm run explore` explores completely. Sizes and times are in docs/exploration.md. */
import type { Configuration } from './configuration.js';
import { type Budget, type FaultKind, faultKinds, noFaults } from './faults.js';

type Shape = Omit<Configuration, 'budget'>;

const shapes = {
  /** Both requests have the same chunk: the second one joins. */
  one: { pages: 2, batches: [[['x']], [['x']]] },
  /** Both requests have the same prompt of two chunks. */
  shared: { pages: 2, batches: [[['x', 'y']], [['x', 'y']]] },
  /** Both requests have the same chunks in opposite orders. */
  reversed: { pages: 2, batches: [[['x', 'y']], [['y', 'x']]] },
  /** The longer prompt joins the first chunk of the shorter one and writes the second. */
  prefix: { pages: 2, batches: [[['x']], [['x', 'y']]] },
  /** The longer prompt comes in two batches: it joins with the first, and writes the second. */
  longer: { pages: 2, batches: [[['x']], [['x'], ['y']]] },
  /** One of two equal prompts comes in two batches, so each request may write one chunk and join the other. */
  batches: { pages: 2, batches: [[['x'], ['y']], [['x', 'y']]] },
  /** Both of two equal prompts come in two batches. */
  bothBatches: {
    pages: 2,
    batches: [
      [['x'], ['y']],
      [['x'], ['y']],
    ],
  },
  /** Both requests have the same chunk, and a router names the receiver of the first one later. */
  offered: { pages: 2, batches: [[['x']], [['x']]], offered: [0] },
  /** The same with two batches. */
  offeredBatches: { pages: 2, batches: [[['x'], ['y']], [['x', 'y']]], offered: [0] },
  /** One page and two requests that each need it, so one waits for the other. */
  scarce: { pages: 1, batches: [[['x']], [['y']]] },
} as const satisfies Readonly<Record<string, Shape>>;

type ShapeName = keyof typeof shapes;

/** Of these shapes, `npm run explore` explores every pair of fault kinds. */
const small = ['one', 'scarce'] as const;
/** Of these, every kind by itself. */
const medium = ['shared', 'reversed', 'prefix'] as const;
/** Of these, some kinds by themselves. */
const large = ['longer', 'batches', 'bothBatches'] as const;
const kindsOfLarge: readonly FaultKind[] = ['loss', 'crash', 'fabric'];

function withFaults(kinds: readonly FaultKind[]): Budget {
  const budget = { ...noFaults };
  for (const kind of kinds) budget[kind] += 1;
  return budget;
}

/** Every choice of this many kinds, each of which may happen once. */
function choices(count: number, kinds: readonly FaultKind[] = faultKinds): FaultKind[][] {
  if (count === 0) return [[]];
  return kinds.flatMap((kind, index) => choices(count - 1, kinds.slice(index + 1)).map((rest) => [kind, ...rest]));
}

function worldsOf(
  names: readonly ShapeName[],
  faults: readonly (readonly FaultKind[])[],
): Record<string, Configuration> {
  const worlds: Record<string, Configuration> = {};
  for (const name of names) {
    for (const kinds of faults) {
      worlds[[name, ...kinds].join('-')] = { ...shapes[name], budget: withFaults(kinds) };
    }
  }
  return worlds;
}

/** What `npm run explore` explores. */
export const shortList: Readonly<Record<string, Configuration>> = {
  ...worldsOf([...small, ...medium, ...large], choices(0)),
  ...worldsOf([...small, ...medium], choices(1)),
  ...worldsOf(['longer', 'batches'], choices(1, kindsOfLarge)),
  ...worldsOf(['bothBatches'], [['crash'], ['fabric']]),
  ...worldsOf(['offered'], [...choices(1), ['cancel', 'timeout'], ['crash', 'timeout'], ['death', 'timeout']]),
  ...worldsOf(['offered', 'offeredBatches'], choices(0)),
  ...worldsOf(small, choices(2)),
  ...worldsOf(['one'], [['loss', 'crash', 'fabric']]),
};

/** What `npm run explore -- --all` explores too. */
export const longList: Readonly<Record<string, Configuration>> = {
  ...worldsOf(large, choices(1)),
  ...worldsOf(large, choices(2, kindsOfLarge)),
  ...worldsOf(medium, choices(2)),
  ...worldsOf(small, choices(3)),
  ...worldsOf(['offered'], choices(2)),
  ...worldsOf(['offeredBatches'], choices(1)),
};
