/** Checks that NATS is reachable, accepts our message size, and is near. */
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
/** Agents exchange several messages for each batch. */
const ROUND_TRIP_MS_MAX = 5;

export function checkNats({ nats, settings }: Examination): Finding[] {
  const address = redactCredentials(settings.natsUrl);
  if (isKvferryError(nats)) {
    const isRefused = /authorization|authentication|credentials/i.test(nats.message);
    return [
      reached.problem(
        nats.message,
        isRefused
          ? 'add a user and password, or a token, to the URL: nats://user:password@host:4222 (--nats, KVFERRY_NATS_URL)'
          : `start a server (nats-server), or set its address with --nats or KVFERRY_NATS_URL; tried ${address}`,
      ),
    ];
  }
  const medianMs = median(nats.roundTripsMs);
  const trips = `a round trip takes ${roundMs(medianMs)} (median of ${nats.roundTripsMs.length}, longest ${roundMs(Math.max(0, ...nats.roundTripsMs))})`;
  return [
    reached.ok(`nats-server ${nats.version} (${nats.server}) at ${address}`),
    nats.payloadBytesMax >= MESSAGE_BYTES_MAX
      ? payload.ok(`the largest message is ${roundBytes(nats.payloadBytesMax)}`)
      : payload.problem(
          `the largest message is only ${roundBytes(nats.payloadBytesMax)}; NATS refuses large batches`,
          'set max_payload: 1MB in the configuration of the server',
        ),
    medianMs <= ROUND_TRIP_MS_MAX
      ? roundTrip.ok(trips)
      : roundTrip.warning(
          `${trips}; every batch waits for several round trips`,
          'run a NATS server in the network of the agents; look for an overloaded server or host',
        ),
    nats.jetStream === undefined
      ? jetStream.ok('JetStream is off, or not available to this user; kvferry does not need it')
      : jetStream.ok(`JetStream is on (${nats.jetStream.streams} streams); kvferry does not need it`),
  ];
}
