/**
 * Sizes, times and rates as text. `parse…` and `format…` are exact, for settings. `round…` is for people: it keeps one
 * or two digits after the point.
 */

const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};
const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const BYTES_PER_STEP = 1024;
const MS_PER_US = 0.001;
const MS_PER_S = 1000;
const S_PER_MIN = 60;
const MS_PER_UNIT: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000 };
const QUANTITY = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/;

/** `4096`, `64KiB`, `1.5 GiB` → bytes. Undefined if the text is not a whole number of bytes. */
export function parseBytes(text: string): number | undefined {
  return parseQuantity(text, BYTES_PER_UNIT);
}

/** `250`, `250ms`, `2s` → milliseconds. Undefined if the text is not a whole number of milliseconds. */
export function parseDurationMs(text: string): number | undefined {
  return parseQuantity(text, MS_PER_UNIT);
}

/** The shortest text from which `parseBytes` reads the same number. */
export function formatBytes(bytes: number): string {
  return formatQuantity(bytes, BYTES_PER_UNIT, 'B');
}

/** The shortest text from which `parseDurationMs` reads the same number. */
export function formatDurationMs(milliseconds: number): string {
  return formatQuantity(milliseconds, MS_PER_UNIT, 'ms');
}

/** `1.5 GiB`. */
export function roundBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= BYTES_PER_STEP && unit < BINARY_UNITS.length - 1) {
    value /= BYTES_PER_STEP;
    unit += 1;
  }
  return `${Number(value.toFixed(1))} ${BINARY_UNITS[unit]}`;
}

/** `80 µs`, `2.5 ms`, `45 s`. */
export function roundMs(milliseconds: number): string {
  if (milliseconds >= MS_PER_S) return `${Number((milliseconds / MS_PER_S).toFixed(1))} s`;
  if (milliseconds < 1) return `${Math.round(milliseconds / MS_PER_US)} µs`;
  return `${Number(milliseconds.toFixed(1))} ms`;
}

/** `2.5 GB/s`, of 10^9 bytes. */
export function roundGbps(gbps: number): string {
  return `${gbps < 1 ? Number(gbps.toFixed(3)) : Number(gbps.toFixed(1))} GB/s`;
}

/** `0.4`, `12.3`, `204`: a number of one column of a table. */
export function roundCount(value: number): string {
  return value === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

/** `12.3s`, `4m05s`: how long a state has lasted, for a table. */
export function roundAge(milliseconds: number): string {
  const seconds = milliseconds / MS_PER_S;
  if (seconds < S_PER_MIN) return `${seconds.toFixed(1)}s`;
  const minutes = Math.floor(seconds / S_PER_MIN);
  return `${minutes}m${String(Math.floor(seconds % S_PER_MIN)).padStart(2, '0')}s`;
}

/** `1 agent`, `2 agents`. */
export function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, digits, unit] = QUANTITY.exec(text.trim()) ?? [];
  const factor = unit === undefined || !Object.hasOwn(units, unit) ? undefined : units[unit];
  if (digits === undefined || factor === undefined) return undefined;
  const value = Number(digits) * factor;
  return Number.isSafeInteger(value) ? value : undefined;
}

function formatQuantity(value: number, units: Readonly<Record<string, number>>, smallest: string): string {
  let best = `${value}${smallest}`;
  for (const [unit, factor] of Object.entries(units)) {
    if (factor > 1 && value >= factor && value % factor === 0) best = `${value / factor}${unit}`;
  }
  return best;
}
