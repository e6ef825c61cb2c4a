/** Checks that NATS is reachable, accepts our message size, and is near. */
import { redactCredentials } from '../../../config/nats-fields.js';
import { median } from '../../../figures/statistics.js';
import { roundBytes, roundMs } from '../../../figures/units.js';
import { isKvferryError } from '../../../protocol/errors.js';
import { MESSAGE_BYTES_MAX } from '../../../protocol/limits.js';
import type { Examination, NatsFacts } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const reached = new Findings('nats', 'nats');
const payload = new Findings('nats', 'nats-payload');
const roundTrip = new Findings('nats', 'nats-round-trip');
const jetStream = new Findings('nats', 'jetstream');
const users = new Findings('nats', 'nats-users');
const inboxes = new Findings('nats', 'nats-inboxes');
const encryption = new Findings('nats', 'nats-tls');
/** Agents exchange several messages for each batch. */
const ROUND_TRIP_MS_MAX = 5;

export function checkNats({ nats, settings }: Examination): Finding[] {
  const address = redactCredentials(settings.natsUrl);
  if (isKvferryError(nats)) {
    return [reached.problem(nats.message, remedyOf(nats.message, address))];
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
    ...checkTrust(nats),
  ];
}

/** Of a server that does not accept this program. */
function remedyOf(message: string, address: string): string {
  if (/authorization|authentication|credentials/i.test(message)) {
    return 'name the file with the user (--nats-creds, --nats-nkey), or add user and password to the URL: nats://user:password@host:4222';
  }
  if (/certificate|tls/i.test(message.replaceAll(address, ''))) {
    return 'name the authority of the server by --nats-ca (KVFERRY_NATS_CA): ca.pem of kvferry keys';
  }
  return `start a server (nats-server), or set its address with --nats or KVFERRY_NATS_URL; tried ${address}`;
}

/** Programs that reach NATS can do everything that its permissions do not forbid. A server on loopback is for one machine. */
function checkTrust({ isLoopback, asksForUser, isEncrypted, readsInboxes }: NatsFacts): Finding[] {
  if (isLoopback && !asksForUser)
    return [users.ok('NATS lets every program in, and only programs of its own host reach it')];
  const asked = asksForUser
    ? users.ok('NATS asks every program for its user')
    : users.warning(
        'NATS lets every program in that reaches it',
        'give each program a user: authorization in nats.conf, and --nats-creds or --nats-nkey',
      );
  const encrypted = isEncrypted
    ? encryption.ok('the connection to NATS is encrypted')
    : encryption.warning(
        'the connection to NATS is not encrypted',
        'configure TLS in nats.conf, and start agents with --nats-tls required or a tls:// URL',
      );
  if (!asksForUser) return [asked, encrypted];
  const read = readsInboxes
    ? inboxes.problem(
        'this user may subscribe to the answers that other programs get, and remote keys are among them',
        'allow each user to subscribe only to the inboxes of its own, and not to _INBOX.> or >',
      )
    : inboxes.ok('this user cannot subscribe to the answers that other programs get');
  return [asked, ...(isLoopback ? [] : [encrypted]), read];
}
