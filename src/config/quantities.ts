/** Sizes and times as people write them. */

const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};
const MS_PER_UNIT: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000 };
const QUANTITY = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/;

/** `4096`, `64KiB`, `1.5 GiB` → bytes; undefined when it is not a whole number of bytes. */
export function parseBytes(text: string): number | undefined {
  return parseQuantity(text, BYTES_PER_UNIT);
}

/** `250`, `250ms`, `2s` → milliseconds; undefined when it is not a whole number of them. */
export function parseDurationMs(text: string): number | undefined {
  return parseQuantity(text, MS_PER_UNIT);
}

/** The shortest way to write it that `parseBytes` reads back. */
export function formatBytes(bytes: number): string {
  return formatQuantity(bytes, BYTES_PER_UNIT, 'B');
}

/** The shortest way to write it that `parseDurationMs` reads back. */
export function formatDurationMs(milliseconds: number): string {
  return formatQuantity(milliseconds, MS_PER_UNIT, 'ms');
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
