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

test('the server does not know this user → a problem', () => {
  expect(check(new KvferryError('disconnected', 'no connection to NATS at n1:4222: Authorization Violation'))).toEqual([
    [
      'problem',
      'no connection to NATS at n1:4222: Authorization Violation',
      'add a user and password, or a token, to the URL: nats://user:password@host:4222 (--nats, KVFERRY_NATS_URL)',
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
