/**
 * The fabric port of an agent: remote keys leave it sealed for the process that they are granted to, and are opened where they are
 * used. So no message, log or recording has one in the clear (docs/decisions/036-sealed-remote-keys.md).
 */
import type { FabricConnection, FabricEndpoint, FabricPort, Provider } from '../ports/fabric.js';
import { ForwardingBase } from '../ports/forwarding-fabric.js';
import type { Recipient, SealedFabric, SealedGrant } from '../ports/sealed-fabric.js';
import { KvferryError } from '../protocol/errors.js';
import { KeyPair } from './key-pair.js';
import { openSealed, sealFor } from './sealed-text.js';

export class SealingFabric extends ForwardingBase<FabricPort> implements SealedFabric {
  readonly #own: KeyPair;
  readonly #newSecret: () => Uint8Array;

  /** `newSecret`: 32 bytes, other ones for each call. */
  constructor(fabric: FabricPort, newSecret: () => Uint8Array) {
    super(fabric);
    this.#own = new KeyPair(newSecret());
    this.#newSecret = newSecret;
  }

  get publicKey(): string {
    return this.#own.publicKey;
  }

  async grant(provider: Provider, { publicKey, about }: Recipient): Promise<SealedGrant> {
    // First, so that a key that is none leaves no grant behind.
    const seal = sealed(publicKey, this.#newSecret());
    const { token, ...grant } = await this.fabric.grant(provider);
    return { ...grant, sealed: seal(token, binding(grant, about)) };
  }

  async connect(
    endpoint: FabricEndpoint,
    { sealed: box, ...grant }: SealedGrant,
    { timeoutMs, about }: { timeoutMs: number; about: string },
  ): Promise<FabricConnection> {
    const token = this.#open(box, binding(grant, about));
    return this.fabric.connect(endpoint, { ...grant, token }, { timeoutMs });
  }

  #open(box: string, about: string): string {
    try {
      return openSealed(box, this.#own, about);
    } catch (cause) {
      const message =
        'the remote key cannot be opened: it was changed on its way, or sealed for another process or connection';
      throw new KvferryError('connection_failed', message, { cause });
    }
  }
}

/** Throws `invalid_field`. */
function sealed(publicKey: string, secret: Uint8Array): (text: string, about: string) => string {
  try {
    return sealFor(publicKey, secret);
  } catch (cause) {
    throw new KvferryError('invalid_field', 'publicKey is no X25519 key for which a remote key could be sealed', {
      field: 'publicKey',
      cause,
    });
  }
}

/** What else a changed answer could change. */
function binding({ id, provider, arenaBytes }: Omit<SealedGrant, 'sealed'>, about: string): string {
  return JSON.stringify([about, id, provider, arenaBytes]);
}
