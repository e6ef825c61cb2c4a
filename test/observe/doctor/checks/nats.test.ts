import { expect, test } from 'vitest';
import { checkNats } from '../../../../src/observe/doctor/checks/nats.js';
import type { Examination } from '../../../../src/observe/doctor/examination.js';
import { KvferryError } from '../../../../src/protocol/errors.js';
import { brief, examination, nats } from '../support.js';

const healthy = [
  ['ok', 'nats-server 2.12.0 (n1) at nats://***@n1:4222'],
  ['ok', 'the largest message is 1 MiB'],
  ['ok', 'a round trip takes 200 µs (median of 3, longest 300 µs)'],
  ['ok', 'JetStream is off, or not available to this user; kvferry does not need it'],
  ['ok', 'NATS asks every program for its user'],
  ['ok', 'the connection to NATS is encrypted'],
  ['ok', 'this user cannot subscribe to the answers that other programs get'],
];

function check(spoilt: Examination['nats']) {
  return brief(checkNats(examination({ nats: spoilt, flags: { natsUrl: 'nats://user:secret@n1:4222' } })));
}

test('NATS answers quickly → ok', () => {
  expect(check(nats)).toEqual(healthy);
});

test('a server with JetStream → the finding says so', () => {
  expect(check({ ...nats, jetStream: { streams: 2 } })[3]).toEqual([
    'ok',
    'JetStream is on (2 streams); kvferry does not need it',
  ]);
});

test('no server answers → a problem', () => {
  expect(check(new KvferryError('disconnected', 'no connection to NATS at n1:4222: connection refused'))).toEqual([
    [
      'problem',
      'no connection to NATS at n1:4222: connection refused',
      'start a server (nats-server), or set its address with --nats or KVFERRY_NATS_URL; tried nats://***@n1:4222',
    ],
  ]);
});

test('the authority of the server is not known → a problem', () => {
  const message = 'no connection to NATS at tls://n1:4222: unable to verify the first certificate';
  expect(check(new KvferryError('disconnected', message))).toEqual([
    ['problem', message, 'name the authority of the server by --nats-ca (KVFERRY_NATS_CA): ca.pem of kvferry keys'],
  ]);
});

test('the server does not know this user → a problem', () => {
  expect(check(new KvferryError('disconnected', 'no connection to NATS at n1:4222: Authorization Violation'))).toEqual([
    [
      'problem',
      'no connection to NATS at n1:4222: Authorization Violation',
      'name the file with the user (--nats-creds, --nats-nkey), or add user and password to the URL: nats://user:password@host:4222',
    ],
  ]);
});

test('the server takes only small messages → a problem', () => {
  expect(check({ ...nats, payloadBytesMax: 512 * 1024 })[1]).toEqual([
    'problem',
    'the largest message is only 512 KiB; NATS refuses large batches',
    'set max_payload: 1MB in the configuration of the server',
  ]);
});

test('a slow answer of NATS → a warning', () => {
  expect(check({ ...nats, roundTripsMs: [4, 12, 30] })[2]).toEqual([
    'warning',
    'a round trip takes 12 ms (median of 3, longest 30 ms); every batch waits for several round trips',
    'run a NATS server in the network of the agents; look for an overloaded server or host',
  ]);
});

test('NATS lets every program in and is not on loopback → a warning', () => {
  expect(check({ ...nats, asksForUser: false, isEncrypted: false, readsInboxes: true }).slice(4)).toEqual([
    [
      'warning',
      'NATS lets every program in that reaches it',
      'give each program a user: authorization in nats.conf, and --nats-creds or --nats-nkey',
    ],
    [
      'warning',
      'the connection to NATS is not encrypted',
      'configure TLS in nats.conf, and start agents with --nats-tls required or a tls:// URL',
    ],
  ]);
});

test('an open NATS on loopback → ok', () => {
  const open = { isLoopback: true, asksForUser: false, isEncrypted: false, readsInboxes: true };
  expect(check({ ...nats, ...open }).slice(4)).toEqual([
    ['ok', 'NATS lets every program in, and only programs of its own host reach it'],
  ]);
});

test("a user may subscribe to others' inboxes → a problem", () => {
  expect(check({ ...nats, isLoopback: true, isEncrypted: false, readsInboxes: true }).slice(4)).toEqual([
    ['ok', 'NATS asks every program for its user'],
    [
      'problem',
      'this user may subscribe to the answers that other programs get, and remote keys are among them',
      'allow each user to subscribe only to the inboxes of its own, and not to _INBOX.> or >',
    ],
  ]);
});
