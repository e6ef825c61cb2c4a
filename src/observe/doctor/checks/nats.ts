/** NATS: is it there, does it take our messages, and how far away is it? */
import { redactCredentials } from '../../../config/agent-config.js';
import { median } from '../../../figures/statistics.js';
import { roundBytes, roundMs } from '../../../figures/units.js';
import { isKvferryError } from '../../../protocol/errors.js';
import { MESSAGE_BYTES_MAX } from '../../../protocol/limits.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const reached = new Findings('nats', 'nats');
const payload = new Findings('nats', 'nats-payload');
const roundTrip = new Findings('nats', 'nats-round-trip');
const jetStream = new Findings('nats', 'jetstream');
/** An agent passes several messages for each batch. */
const ROUND_TRIP_MS_MAX = 5;

export function checkNats({ nats, settings }: Examination): Finding[] {
  const address = redactCredentials(settings.natsUrl);
  if (isKvferryError(nats)) {
    const isRefused = /authorization|authentication|credentials/i.test(nats.message);
    return [
      reached.problem(
        nats.message,
        isRefused
          ? 'put user and password, or a token, into the URL: nats://user:password@host:4222 (--nats, KVFERRY_NATS_URL)'
          : `start a server (nats-server), or name the right one with --nats or KVFERRY_NATS_URL; asked was ${address}`,
      ),
    ];
  }
  const medianMs = median(nats.roundTripsMs);
  const trips = `a round trip takes ${roundMs(medianMs)} (median of ${nats.roundTripsMs.length}, longest ${roundMs(Math.max(0, ...nats.roundTripsMs))})`;
  return [
    reached.ok(`nats-server ${nats.version} (${nats.server}) at ${address}`),
    nats.payloadBytesMax >= MESSAGE_BYTES_MAX
      ? payload.ok(`messages may have ${roundBytes(nats.payloadBytesMax)}`)
      : payload.problem(
          `messages may have only ${roundBytes(nats.payloadBytesMax)}: large batches are refused`,
          'max_payload: 1MB in the configuration of the server',
        ),
    medianMs <= ROUND_TRIP_MS_MAX
      ? roundTrip.ok(trips)
      : roundTrip.warning(
          `${trips}: every batch waits for several`,
          'run a NATS server nearer to the agents, in the same network; look for an overloaded server or host',
        ),
    nats.jetStream === undefined
      ? jetStream.ok('JetStream is off, or not for this user; kvferry does not need it')
      : jetStream.ok(`JetStream is on (${nats.jetStream.streams} streams); kvferry does not need it`),
  ];
}
