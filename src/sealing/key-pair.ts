/** X25519 key pairs, and the secrets that two of them have in common. */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';

export const SECRET_BYTES = 32;
/** PKCS #8 of an X25519 key, up to its 32 bytes. */
const PRIVATE_KEY_START = Buffer.from('302e020100300506032b656e04220420', 'hex');

export class KeyPair {
  /** 32 bytes in base64url, as a message carries them. */
  readonly publicKey: string;
  readonly #privateKey: KeyObject;

  /** `secret`: 32 bytes that nobody can guess. */
  constructor(secret: Uint8Array) {
    const key = Buffer.concat([PRIVATE_KEY_START, secret]);
    this.#privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
    this.publicKey = createPublicKey(this.#privateKey).export({ format: 'jwk' }).x ?? '';
  }

  /** What only this pair and the owner of `publicKey` can compute. Throws for a key that is none, or that gives no secret. */
  sharedWith(publicKey: string): Buffer {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: publicKey }, format: 'jwk' });
    return diffieHellman({ privateKey: this.#privateKey, publicKey: key });
  }
}
