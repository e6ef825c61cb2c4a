/**
 * Seals a text for the owner of a public key: X25519, HKDF-SHA256 and AES-256-GCM. Each seal has a key pair of its own, so its key
 * is never used again, and a nonce is not needed.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { KeyPair } from './key-pair.js';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const TAG_BYTES = 16;
const NONCE = Buffer.alloc(12);
const PURPOSE = 'kvferry remote key';

/**
 * A seal for one text. `secret`: 32 bytes for its key pair. `about`: what the opener must say too. Throws for a public key that
 * is none.
 */
export function sealFor(publicKey: string, secret: Uint8Array): (text: string, about: string) => string {
  const own = new KeyPair(secret);
  const key = keyFrom(own.sharedWith(publicKey), own.publicKey, publicKey);
  return (text, about) => {
    const cipher = createCipheriv(CIPHER, key, NONCE, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(about));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `${own.publicKey}.${sealed.toString('base64url')}`;
  };
}

/** Throws when the text was sealed for another pair, about something else, or was changed. */
export function openSealed(sealed: string, recipient: KeyPair, about: string): string {
  const [sealer = '', box = ''] = sealed.split('.');
  const key = keyFrom(recipient.sharedWith(sealer), sealer, recipient.publicKey);
  const bytes = Buffer.from(box, 'base64url');
  const end = Math.max(0, bytes.length - TAG_BYTES);
  const cipher = createDecipheriv(CIPHER, key, NONCE, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(about));
  cipher.setAuthTag(bytes.subarray(end));
  return Buffer.concat([cipher.update(bytes.subarray(0, end)), cipher.final()]).toString('utf8');
}

function keyFrom(shared: Buffer, sealer: string, recipient: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', shared, '', `${PURPOSE} ${sealer} ${recipient}`, KEY_BYTES));
}
