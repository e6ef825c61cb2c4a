import type { Logger } from 'pino';
import { RefusalLog } from '../actors/observing/refusal-log.js';
import type { ClockPort } from '../ports/clock.js';
import type { ControlPort, ControlSubscription } from '../ports/control.js';
import { encodeError } from '../protocol/codec.js';
import { KvferryError } from '../protocol/errors.js';
import { subjects } from '../protocol/subjects.js';

/** Answers every fault order to an agent that allows no faults with `faults_not_allowed`. */
export function refuseFaults(
  { control, clock, logger }: { readonly control: ControlPort; readonly clock: ClockPort; readonly logger: Logger },
  agent: string,
): ControlSubscription {
  const refusals = new RefusalLog(logger);
  const message = `agent ${agent} does not allow faults: start it with --allow-faults`;
  const refusal = encodeError(new KvferryError('faults_not_allowed', message));
  return control.subscribe(subjects.fault(agent), (order) => {
    refusals.log(clock.now(), 'warn', { code: 'faults_not_allowed' }, 'fault order refused');
    try {
      order.respond(refusal);
    } catch (err) {
      logger.warn({ err }, 'refusal of a fault order could not be sent');
    }
  });
}
