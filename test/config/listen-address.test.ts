import { describe, expect, test } from 'vitest';
import { formatListenAddress, parseListenAddress } from '../../src/config/listen-address.js';

describe('an address to listen at', () => {
  test.each([
    ['9464', '127.0.0.1', 9464, '127.0.0.1:9464'],
    [':9464', '127.0.0.1', 9464, '127.0.0.1:9464'],
    ['0.0.0.0:0', '0.0.0.0', 0, '0.0.0.0:0'],
    ['decode-0.kvferry.svc:65535', 'decode-0.kvferry.svc', 65_535, 'decode-0.kvferry.svc:65535'],
    ['[::1]:9464', '::1', 9464, '[::1]:9464'],
  ])('the address %s is read', (text, host, port, shown) => {
    expect(parseListenAddress(text)).toEqual({ host, port });
    expect(formatListenAddress({ host, port })).toBe(shown);
  });

  test.each([
    'localhost',
    'localhost:',
    'a b:1',
    '::1:9464',
    '127.0.0.1:65536',
    'host:-1',
    'http://host:1',
    '[host]:1',
  ])('the address %s is refused', (text) => {
    expect(parseListenAddress(text)).toBeUndefined();
  });
});
