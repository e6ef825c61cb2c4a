/** The kinds of settings: how a value is read from text, what it may be, and how it is shown. */
import { z } from 'zod';
import { formatBytes, formatDurationMs, parseBytes, parseDurationMs } from '../figures/units.js';
import { formatListenAddress, type ListenAddress, parseListenAddress } from './listen-address.js';
import { formatPortRange, type PortRange, parsePortRange } from './port-range.js';

function toListenAddress(value: string, context: z.RefinementCtx): ListenAddress | undefined {
  if (value === '') return undefined;
  const address = parseListenAddress(value);
  if (address !== undefined) return address;
  context.addIssue({ code: 'custom', message: 'not an address to listen at' });
  return z.NEVER;
}

/** An address to listen at. The default is none. */
export function listenAt(explanation: string) {
  const range = 'host:port, or a port of 127.0.0.1; port 0: any free port; empty: off';
  const show = (value: ListenAddress | undefined) => (value === undefined ? '' : formatListenAddress(value));
  return { schema: z.string().transform(toListenAddress), fallback: '', explanation, range, show } as const;
}

export function choice<S extends z.ZodEnum>(schema: S, fallback: string, explanation: string) {
  return { schema, fallback, explanation, range: schema.options.join(', '), show: String } as const;
}

export function text(fallback: string, explanation: string, range: string) {
  return { schema: z.string().min(1), fallback, explanation, range, show: String } as const;
}

/** A file that is read later, and again. The default is none. */
export function fileOf(explanation: string) {
  const show = (value: string | undefined) => value ?? '';
  const schema = z.string().transform((value) => (value === '' ? undefined : value));
  return { schema, fallback: '', explanation, range: 'a file; empty: none', show } as const;
}

/** A switch. The default is off. */
export function onOff(explanation: string) {
  const schema = z.union([z.boolean(), z.enum(['true', 'false']).transform((value) => value === 'true')]);
  return { schema, fallback: 'false', explanation, range: 'true, false', isSwitch: true, show: String } as const;
}

export function count(min: number, max: number, fallback: number, explanation: string) {
  return {
    schema: quantity(parseWhole, min, max),
    fallback,
    explanation,
    range: `${min} to ${max}`,
    show: String,
  } as const;
}

export function size(min: number, max: number, fallback: string, explanation: string) {
  const range = `${formatBytes(min)} to ${formatBytes(max)}`;
  return { schema: quantity(parseBytes, min, max), fallback, explanation, range, show: formatBytes } as const;
}

export function duration(min: number, max: number, fallback: string, explanation: string) {
  const range = `${formatDurationMs(min)} to ${formatDurationMs(max)}`;
  return { schema: quantity(parseDurationMs, min, max), fallback, explanation, range, show: formatDurationMs } as const;
}

function parseWhole(value: string): number | undefined {
  return /^\d+$/.test(value) ? Number(value) : undefined;
}

/** A number, or text that `parse` turns into one. */
function quantity(parse: (value: string) => number | undefined, min: number, max: number) {
  return z
    .union([z.number(), z.string().transform((value) => parse(value) ?? Number.NaN)])
    .pipe(z.int().min(min).max(max));
}

function toPortRange(value: string, context: z.RefinementCtx): PortRange {
  const range = parsePortRange(value);
  if (range !== undefined) return range;
  context.addIssue({ code: 'custom', message: 'not a range of ports' });
  return z.NEVER;
}

/** A port to listen at, or several of which one is enough. The default is any. */
export function ports(explanation: string) {
  const schema = z.union([z.number().transform(String), z.string()]).transform(toPortRange);
  return {
    schema,
    fallback: 0,
    explanation,
    range: 'a port, or first-last; 0: any free port',
    show: formatPortRange,
  } as const;
}

/** A count, or `auto`, which the program replaces by what fits the machine. */
export function autoOrCount(max: number, explanation: string, auto: string) {
  const schema = z.literal('auto').or(quantity(parseWhole, 1, max));
  return { schema, fallback: 'auto', explanation, range: `auto (${auto}), or 1 to ${max}`, show: String } as const;
}

/** A number from 0 on, or `any`, which is undefined. The default is any. */
export function anyOrNumber(max: number, explanation: string) {
  const schema = z.union([z.literal('any').transform(() => undefined), quantity(parseWhole, 0, max)]);
  const show = (value: number | undefined) => value?.toString() ?? 'any';
  return { schema, fallback: 'any', explanation, range: `any, or 0 to ${max}`, show } as const;
}
