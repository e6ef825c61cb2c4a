/**
 * How slow this machine may be. The time limits of tests, demo and benchmark suit a machine that does nothing else. With
 * `KVFERRY_PATIENCE=4` each is four times as long: for an emulated machine, say. Agents have settings of their own.
 */
import { KvferryError } from '../protocol/errors.js';
import { TIMEOUT_MS_MAX } from '../protocol/limits.js';

const VARIABLE = 'KVFERRY_PATIENCE';
const FACTOR_MAX = 1000;

/** The factor. Throws `invalid_configuration`. */
export function patience(env: Readonly<Record<string, string | undefined>> = process.env): number {
  const text = env[VARIABLE] ?? '';
  if (text === '') return 1;
  const factor = Number(text);
  if (factor >= 1 && factor <= FACTOR_MAX) return factor;
  const message = `${VARIABLE}=${text}: it must be a number from 1 to ${FACTOR_MAX}; it multiplies time limits`;
  throw new KvferryError('invalid_configuration', message);
}

/** The time limit `ms`, on this machine. */
export function patient(ms: number): number {
  return Math.ceil(ms * patience());
}

/** The timeout `ms` of a request, on this machine. Agents refuse a longer one than the protocol has. */
export function patientTimeout(ms: number): number {
  return Math.min(patient(ms), TIMEOUT_MS_MAX);
}
