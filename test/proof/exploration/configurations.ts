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
  /** One page and two requests that each need it, so one waits for the other. */
  scarce: { pages: 1, batches: [[['x']], [['y']]] },
} as const satisfies Readonly<Record<string, Shape>>;

type ShapeName = keyof typeof shapes;

/** Of these shapes, `npm run explore` explores every pair of fault kinds. The others are for `--all`. */
const SMALL: readonly ShapeName[] = ['one', 'scarce'];

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
      const { pages, batches } = shapes[name];
      worlds[[name, ...kinds].join('-')] = { pages, batches, budget: withFaults(kinds) };
    }
  }
  return worlds;
}

const names = Object.keys(shapes) as ShapeName[];

/** What `npm run explore` explores. */
export const shortList: Readonly<Record<string, Configuration>> = {
  ...worldsOf(names, choices(0)),
  ...worldsOf(names, choices(1)),
  ...worldsOf(SMALL, choices(2)),
};

/** What `npm run explore -- --all` explores besides. */
export const longList: Readonly<Record<string, Configuration>> = {
  ...worldsOf(
    names.filter((name) => !SMALL.includes(name)),
    choices(2),
  ),
  ...worldsOf(SMALL, choices(3)),
};
