import { expect, test } from 'vitest';
import { parseNatsAddress } from '../../src/control/nats-address.js';

test.each([
  ['nats://host:4222', ['nats://host:4222'], undefined],
  ['host:4222', ['host:4222'], undefined],
  ['nats://ann:p%40ss@host:4222', ['nats://host:4222'], { user: 'ann', pass: 'p@ss' }],
  ['nats://ann:p@ss:w@host', ['nats://host'], { user: 'ann', pass: 'p@ss:w' }],
  ['tls://t0ken@host', ['tls://host'], { token: 't0ken' }],
  ['nats://a:b@one:1, nats://two:2,', ['nats://one:1', 'nats://two:2'], { user: 'a', pass: 'b' }],
])('the NATS address %s is read', (address, servers, credentials) => {
  expect(parseNatsAddress(address)).toEqual({ servers, credentials });
});
