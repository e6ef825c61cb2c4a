/** Rounded amounts for findings. */

const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const BYTES_PER_STEP = 1024;
const MS_PER_US = 0.001;
const MS_PER_S = 1000;

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

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** `1 agent`, `2 agents`. */
export function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}
