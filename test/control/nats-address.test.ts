import { describe, expect, test } from 'vitest';
import { parseNatsAddress, placeOf } from '../../src/control/nats-address.js';

test.each([
  ['nats://host:4222', ['nats://host:4222'], undefined],
  ['host:4222', ['host:4222'], undefined],
  ['nats://ann:p%40ss@host:4222', ['nats://host:4222'], { user: 'ann', pass: 'p@ss' }],
  ['nats://ann:p@ss:w@host', ['nats://host'], { user: 'ann', pass: 'p@ss:w' }],
  ['tls://t0ken@host', ['tls://host'], { token: 't0ken' }],
  ['nats://a:b@one:1, nats://two:2,', ['nats://one:1', 'nats://two:2'], { user: 'a', pass: 'b' }],
  ['nats://[::1]:4222,[fe80::1%eth0]', ['nats://[::1]:4222', '[fe80::1%eth0]'], undefined],
])('the NATS address %s is read', (address, servers, credentials) => {
  expect(parseNatsAddress(address)).toEqual({ servers, credentials });
});

describe('a malformed NATS address is refused, and its message shows no part of it', () => {
  test.each([
    'nats://kv:s3cret%@host:4222',
    'nats://s3cret%@host:4222',
    'nats://kv:s3c,ret@host:4222',
    'nats://kv:s3@c,r:et@host:4222',
    'kv:s3c,ret@host:4222',
    'nats://kv:s3cret@host:s3cret',
    'nats://host:65536',
    'nats://kv:s3cret@ho st',
    'nats://',
    '',
    ',',
  ])('%s is not read, nor shown', (address) => {
    let message = '';
    try {
      parseNatsAddress(address);
    } catch (error) {
      expect(error).toMatchObject({ code: 'invalid_configuration', field: 'natsUrl' });
      expect((error as Error).cause).toBeUndefined();
      message = (error as Error).message;
    }
    expect(message).toContain('the NATS URL is malformed');
    expect(message).not.toMatch(/s3|cret|ret@/);
  });
});

test.each([
  ['nats://host', 'host:4222'],
  ['host:1', 'host:1'],
  ['tls://[::1]', '[::1]:4222'],
])('the server %s is at %s', (server, place) => {
  expect(placeOf(server)).toBe(place);
});
