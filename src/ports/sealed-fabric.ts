/**
 * The fabric port as an agent sees it. Remote keys are sealed for the process that gets them: the agent passes them on and cannot
 * read them.
 */
import type { FabricBase, FabricConnection, FabricEndpoint, FabricGrant, Provider } from './fabric.js';

/** The process for which a remote key is sealed. */
export interface Recipient {
  /** The `publicKey` of its fabric. */
  readonly publicKey: string;
  /** For which connection between which processes the key is. Both sides must say the same. */
  readonly about: string;
}

/** A remote key that one process can use. */
export interface SealedGrant extends Omit<FabricGrant, 'token'> {
  /** The secret, sealed. Only the fabric of the recipient reads it. */
  readonly sealed: string;
}

export interface SealedFabric extends FabricBase {
  /** X25519 key of this process, in base64url: other fabrics seal remote keys for it. */
  readonly publicKey: string;
  /** As of `FabricPort`. Rejects `invalid_field` for a public key that is none, before anything is granted. */
  grant(provider: Provider, recipient: Recipient): Promise<SealedGrant>;
  /** As of `FabricPort`. Rejects `connection_failed` also for a key that was sealed for others, or was changed. */
  connect(
    endpoint: FabricEndpoint,
    grant: SealedGrant,
    options: { timeoutMs: number; about: string },
  ): Promise<FabricConnection>;
}
