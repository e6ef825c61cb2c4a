/** Spoils a message: its fields, their sizes, or its bytes. */
import type { Random } from '../../../src/figures/random.js';
import { KEYS_PER_BATCH_MAX } from '../../../src/protocol/limits.js';
import type { Body } from './drawn-body.js';

const NUMBERS = [-1, 0, 0.5, 1, 2, 7, 4096, 8191, 8192, 8193, 65_536, 65_537, 2 ** 31 - 1, 2 ** 31, 2 ** 32];
const HUGE_NUMBERS = [2 ** 53 - 1, 2 ** 53, 1e308, -1e308, 1e-9];
const TEXTS = ['', ' ', '\0', 'é', '💥', '\ud800', '__proto__', 'constructor', 'toString', '../..', '*', '>', 'a.b'];
const NAMES = [
  '0123456789abcdef',
  'prefill-0',
  'decode-0',
  'decode-1',
  'tcp',
  'memory',
  'ready',
  'internal',
  '/dev/null',
];
const LONG_TEXTS = [64, 65, 129, 513, 5000];
/** Just below the largest message. */
const LARGE_BYTES = 900_000;
const RUN_OF_ALL = { length: 65_536, count: 8192 };

/** A copy of the body with one field spoilt. */
export function spoiltField(body: Body, random: Random): Body {
  const copy = structuredClone(body);
  const place = random.pick(placesIn(copy));
  if (place === undefined) return copy;
  const { parent, name } = place;
  const value = parent[name];
  switch (random.integer(0, 4)) {
    case 0:
      if (Array.isArray(parent)) parent.splice(Number(name), 1);
      else delete parent[name];
      break;
    case 1:
      parent[name] = strangeValue(random);
      break;
    case 2:
      if (typeof value === 'number') parent[name] = value + random.pick([-1, 1, 0.5, 1e6, 2 ** 31]);
      else if (typeof value === 'string') parent[name] = value + random.pick(TEXTS);
      else if (Array.isArray(value)) parent[name] = [...value, ...value];
      else parent[name] = strangeValue(random);
      break;
    case 3:
      if (Array.isArray(parent)) parent.push(strangeValue(random));
      else parent[random.pick(TEXTS)] = strangeValue(random);
      break;
    default:
      parent[name] = random.pick([...NUMBERS, ...HUGE_NUMBERS, ...NAMES]);
  }
  return copy;
}

/** A copy of the body with one field as large as a message may be, or a list as long as a list may be. */
export function inflatedField(body: Body, random: Random): Body {
  const copy = structuredClone(body);
  const places = placesIn(copy);
  const lists = places.filter(({ parent, name }) => Array.isArray(parent[name]));
  const isList = lists.length > 0 && random.chance(0.5);
  const place = random.pick(isList ? lists : places);
  if (place === undefined) return copy;
  const { parent, name } = place;
  parent[name] = isList ? longList(parent[name] as unknown[]) : largeValue(random);
  return copy;
}

/** As many elements as the list may have, each of which stands for as many as it may. */
function longList([element]: readonly unknown[]): unknown[] {
  const largest = typeof element === 'object' ? { ...element, count: KEYS_PER_BATCH_MAX } : element;
  return new Array<unknown>(KEYS_PER_BATCH_MAX).fill(largest ?? 0);
}

/** The message with some of its bytes changed, cut off or repeated. */
export function damagedBytes(text: string, random: Random): Uint8Array {
  const bytes = Buffer.from(text);
  const at = () => random.integer(0, bytes.length - 1);
  switch (random.integer(0, 2)) {
    case 0:
      return bytes.subarray(0, at());
    case 1:
      return Buffer.concat([bytes, bytes.subarray(0, at())]);
    default:
      for (let times = random.integer(1, 4); times > 0; times -= 1) bytes[at()] = random.integer(0, 255);
      return bytes;
  }
}

interface Place {
  readonly parent: Record<string | number, unknown> & { push?: unknown };
  readonly name: string | number;
}

function placesIn(body: Body): Place[] {
  const places: Place[] = [];
  const walk = (parent: object): void => {
    for (const name of Object.keys(parent)) {
      places.push({ parent: parent as Place['parent'], name });
      const value = (parent as Body)[name];
      if (typeof value === 'object' && value !== null) walk(value);
    }
  };
  walk(body);
  return places;
}

function strangeValue(random: Random): unknown {
  const make: readonly (() => unknown)[] = [
    () => random.pick([...NUMBERS, ...HUGE_NUMBERS]),
    () => random.pick([...TEXTS, ...NAMES]),
    () => 'a'.repeat(random.pick(LONG_TEXTS)),
    () => random.pick([null, true, false]),
    () => [],
    () => ({}),
    () => [[[[]]]],
    () => Array.from({ length: random.integer(0, 50) }, () => random.integer(0, 300)),
    () => ({ toString: 1 }),
    () => ({ length: { toString: 1 } }),
    () => ({ length: 2 ** 53 - 1, count: 8192 }),
  ];
  return random.pick(make)();
}

function largeValue(random: Random): unknown {
  const make: readonly (() => unknown)[] = [
    () => random.pick(['x', 'é', '\u001b']).repeat(LARGE_BYTES / 6),
    () => new Array<number>(LARGE_BYTES / 2).fill(0),
    () => Array.from({ length: LARGE_BYTES / 3 }, () => ({})),
    () => Array.from({ length: LARGE_BYTES / 40 }, () => RUN_OF_ALL),
    () => Array.from({ length: LARGE_BYTES / 12 }, (_, index) => `k${index}`),
    () => Object.fromEntries(Array.from({ length: LARGE_BYTES / 16 }, (_, index) => [`field${index}`, 1])),
    () => deep(LARGE_BYTES / 16),
  ];
  return random.pick(make)();
}

/** A list in a list in a list. Not too deep for `JSON.stringify`. */
function deep(levels: number): unknown {
  let value: unknown = [];
  for (let level = 0; level < Math.min(levels, 3000); level += 1) value = [value];
  return value;
}
