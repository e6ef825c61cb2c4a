import { expect, test } from 'vitest';
import { KeyPair } from '../../src/sealing/key-pair.js';
import { openSealed, sealFor } from '../../src/sealing/sealed-text.js';

const secret = (byte: number) => new Uint8Array(32).fill(byte);
const recipient = new KeyPair(secret(1));
const sealed = sealFor(recipient.publicKey, secret(2))('a secret', 'about');

test('RFC 7748, 6.1: the pairs of its example have its keys and its shared secret', () => {
  const alice = new KeyPair(Buffer.from('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a', 'hex'));
  const bob = new KeyPair(Buffer.from('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb', 'hex'));
  const alicePublic = '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a';
  const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';
  expect(Buffer.from(alice.publicKey, 'base64url').toString('hex')).toBe(alicePublic);
  expect(alice.sharedWith(bob.publicKey).toString('hex')).toBe(shared);
  expect(bob.sharedWith(alice.publicKey).toString('hex')).toBe(shared);
});

test('the recipient opens it, about the same', () => {
  expect(openSealed(sealed, recipient, 'about')).toBe('a secret');
});

test('the text is not in it, and each seal is another one', () => {
  const again = sealFor(recipient.publicKey, secret(3))('a secret', 'about');
  expect(sealed).not.toContain(Buffer.from('a secret').toString('base64url'));
  expect(again).not.toBe(sealed);
  expect(openSealed(again, recipient, 'about')).toBe('a secret');
});

test('another process, or about another connection → it is not opened', () => {
  expect(() => openSealed(sealed, new KeyPair(secret(2)), 'about')).toThrow();
  expect(() => openSealed(sealed, new KeyPair(secret(3)), 'about')).toThrow();
  expect(() => openSealed(sealed, recipient, 'about it')).toThrow();
  expect(() => openSealed(sealed, recipient, '')).toThrow();
});

test('one letter is another one, or some are missing → it is not opened', () => {
  const whole = Buffer.from(sealed);
  for (let at = 0; at < whole.length; at += 1) {
    const changed = Buffer.from(whole);
    // The lowest bits of the last letter may be unused, and then the text is the same.
    changed[at] = changed[at] === 0x41 ? 0x77 : 0x41;
    expect(() => openSealed(changed.toString(), recipient, 'about'), `letter ${at}`).toThrow();
    expect(() => openSealed(sealed.slice(0, at), recipient, 'about'), `${at} letters`).toThrow();
  }
});

test.each([
  ['no key', ''],
  ['a short key', 'AAAA'],
  ['the key that gives no secret', 'A'.repeat(43)],
])('%s → nothing is sealed, nothing is opened', (_, publicKey) => {
  expect(() => sealFor(publicKey, secret(2))).toThrow();
  expect(() => openSealed(`${publicKey}.${sealed.split('.')[1]}`, recipient, 'about')).toThrow();
});
