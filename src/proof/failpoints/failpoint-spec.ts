/** Parses the failpoints to arm, for example `commit.sending=kill,write.starting=delay:500@2`. */
import { KvferryError } from '../../protocol/errors.js';
import { failpointNames } from './failpoint-names.js';

/** Environment variable that arms failpoints when an agent starts. */
export const FAILPOINTS_VARIABLE = 'KVFERRY_FAILPOINTS';
/** Longest delay, in milliseconds. */
const DELAY_MS_MAX = 60_000;

/**
 * - `kill`, `stop`: the process gets SIGKILL or SIGSTOP at this step.
 * - `fail`: the step does not happen, or its result is lost, as when a network or a device fails.
 * - `delay`: the step happens later.
 */
export type FailpointAction =
  | { readonly type: 'kill' }
  | { readonly type: 'stop' }
  | { readonly type: 'fail' }
  | { readonly type: 'delay'; readonly delayMs: number };

export interface Failpoint {
  readonly name: string;
  readonly action: FailpointAction;
  /** The failpoint acts once: at this visit of the step, counted from 1. */
  readonly occurrence: number;
}

const FORM = /^([a-z]+\.[a-z]+)=([a-z]+)(?::(\d+))?(?:@(\d+))?$/;

/** Throws `invalid_configuration`, quoting the wrong part. Skips empty parts. */
export function parseFailpoints(spec: string): Failpoint[] {
  return spec
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(parseFailpoint);
}

function parseFailpoint(part: string): Failpoint {
  const refuse = (reason: string) =>
    new KvferryError('invalid_configuration', `${FAILPOINTS_VARIABLE}: ${JSON.stringify(part)} ${reason}`, {
      field: FAILPOINTS_VARIABLE,
    });
  const [, name, verb, delay, occurrence] = FORM.exec(part) ?? [];
  if (name === undefined || verb === undefined) throw refuse('is not name=action, name=action@n or name=delay:ms');
  if (!failpointNames.includes(name)) throw refuse(`names no failpoint; kvferry agent --help-failpoints lists them`);
  const action = actionOf(verb, delay);
  if (action === undefined) throw refuse(`: an action is kill, stop, fail, or delay:ms up to ${DELAY_MS_MAX}`);
  const nth = occurrence === undefined ? 1 : Number(occurrence);
  if (!Number.isSafeInteger(nth) || nth < 1) throw refuse(': the visit after @ is a whole number from 1');
  return { name, action, occurrence: nth };
}

function actionOf(verb: string, delay: string | undefined): FailpointAction | undefined {
  if (verb === 'delay') {
    const delayMs = Number(delay ?? Number.NaN);
    return delayMs <= DELAY_MS_MAX ? { type: verb, delayMs } : undefined;
  }
  const isPlain = delay === undefined && (verb === 'kill' || verb === 'stop' || verb === 'fail');
  return isPlain ? { type: verb } : undefined;
}
