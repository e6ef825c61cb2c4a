/** Parsers of options that are not text. Commander prints the message of the error after the option and its value. */
import { InvalidArgumentError } from 'commander';
import { type ListenAddress, parseListenAddress } from '../config/listen-address.js';
import { formatDurationMs, parseBytes, parseDurationMs } from '../figures/units.js';

export function numberBetween(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`);
  };
}

export function bytes(text: string): number {
  const value = parseBytes(text);
  if (value === undefined || value < 1) throw new InvalidArgumentError('It must be a size, such as 64KiB or 3MiB.');
  return value;
}

export function bytesOrNone(text: string): number {
  return parseBytes(text) === 0 ? 0 : bytes(text);
}

export function listenAddress(text: string): ListenAddress {
  const address = parseListenAddress(text);
  if (address !== undefined) return address;
  throw new InvalidArgumentError('It must be host:port, or a port of 127.0.0.1.');
}

/** Milliseconds. */
export function duration(minMs: number, maxMs: number): (text: string) => number {
  return (text) => {
    const value = parseDurationMs(text) ?? Number.NaN;
    if (value >= minMs && value <= maxMs) return value;
    const range = `from ${formatDurationMs(minMs)} to ${formatDurationMs(maxMs)}`;
    throw new InvalidArgumentError(`It must be a time ${range}, such as 500ms or 2s.`);
  };
}

export function fraction(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('It must be a number from 0 to 1.');
}
