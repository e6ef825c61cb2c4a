/** Numbers as text for people. A value has the same text in every locale. */

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `12,345` */
export function count(value: number): string {
  return whole.format(value);
}

/** Three significant digits: `0.12`, `1.23`, `12.3`, `123`, `1,234`. */
function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 100 || value === 0) return whole.format(value);
  return value.toFixed(size >= 10 ? 1 : 2);
}

const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;
const DECIMAL = ['B/s', 'kB/s', 'MB/s', 'GB/s', 'TB/s'] as const;

function scaled(value: number, base: number, units: readonly string[]): string {
  let rest = value;
  let unit = 0;
  while (Math.abs(rest) >= base && unit < units.length - 1) {
    rest /= base;
    unit += 1;
  }
  return `${unit === 0 ? whole.format(rest) : short(rest)} ${units[unit]}`;
}

/** Sizes of memory: `3 MiB`. */
export function bytes(value: number): string {
  return scaled(value, 1024, BINARY).replace(/\.00? /, ' ');
}

/** Throughput: `8.91 GB/s`. */
export function bytesPerSecond(value: number): string {
  return scaled(value, 1000, DECIMAL);
}

/** `0`, `0.4`, `12.3`, `1,204`: a rate per second. */
export function perSecond(value: number): string {
  if (value === 0) return '0';
  return value >= 100 ? whole.format(value) : value.toFixed(1);
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const two = (value: number) => String(value).padStart(2, '0');

/** `0.42 ms`, `12 ms`, `1.2 s`, `2 m 05 s`, `3 h 12 m`, `2 d 04 h`. */
export function duration(ms: number): string {
  if (ms < 0) return `−${duration(-ms)}`;
  if (ms < 10) return `${ms === 0 ? '0' : ms.toFixed(2)} ms`;
  if (ms < SECOND_MS) return `${Math.floor(ms)} ms`;
  if (ms < MINUTE_MS) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const part = (unitMs: number, ofMs: number) => Math.floor((ms % ofMs) / unitMs);
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} m ${two(part(SECOND_MS, MINUTE_MS))} s`;
  if (ms < DAY_MS) return `${Math.floor(ms / HOUR_MS)} h ${two(part(MINUTE_MS, HOUR_MS))} m`;
  return `${Math.floor(ms / DAY_MS)} d ${two(part(HOUR_MS, DAY_MS))} h`;
}

/** Times before this are not calendar times: the clock of a recording may begin at 0. */
const CALENDAR_FROM_MS = Date.UTC(2000, 0);

/** Time of day with milliseconds, `14:03:09.120`. For a clock that began at 0: `0:12.340`. */
export function clockTime(timeMs: number, withMs = true): string {
  if (timeMs >= CALENDAR_FROM_MS) {
    const date = new Date(timeMs);
    const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
    return withMs ? `${time}.${String(date.getMilliseconds()).padStart(3, '0')}` : time;
  }
  const minutes = Math.floor(timeMs / MINUTE_MS);
  const seconds = (timeMs - minutes * MINUTE_MS) / SECOND_MS;
  const text = withMs ? (Math.floor(seconds * 1000) / 1000).toFixed(3) : String(Math.floor(seconds));
  return `${minutes}:${text.padStart(withMs ? 6 : 2, '0')}`;
}

/** The first half of an epoch, which is enough to distinguish two. */
export function shortEpoch(epoch: string): string {
  return epoch.slice(0, 8);
}

/** `1 page`, `2 pages`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}
