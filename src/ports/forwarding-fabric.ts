/**
 * Base classes for decorators of the fabric ports: they pass every call on to the port inside, and a decorator overrides
 * what it changes.
 */
import type {
  ArenaOptions,
  DeviceMemory,
  FabricBase,
  FabricConnection,
  FabricEndpoint,
  FabricGrant,
  FabricPort,
  FabricWrite,
  Provider,
  SegmentFile,
  SegmentSource,
  UnavailableProvider,
  WriteItem,
} from './fabric.js';
import type { Recipient, SealedFabric, SealedGrant } from './sealed-fabric.js';

/** What both ports have. */
export abstract class ForwardingBase<Fabric extends FabricBase> implements FabricBase {
  protected readonly fabric: Fabric;

  constructor(fabric: Fabric) {
    this.fabric = fabric;
  }

  endpoints(): readonly FabricEndpoint[] {
    return this.fabric.endpoints();
  }

  unavailable(): readonly UnavailableProvider[] {
    return this.fabric.unavailable();
  }

  createArena(options: ArenaOptions): Promise<DeviceMemory | undefined> {
    return this.fabric.createArena(options);
  }

  arenaLost(): Promise<string> {
    return this.fabric.arenaLost();
  }

  revoke(grantId: string): Promise<void> {
    return this.fabric.revoke(grantId);
  }

  attachSegment(name: string, source: SegmentSource): Promise<SegmentFile> {
    return this.fabric.attachSegment(name, source);
  }

  identify(source: SegmentSource): Promise<SegmentFile | undefined> {
    return this.fabric.identify(source);
  }

  createSegment(name: string, path: string, bytes: number): Promise<void> {
    return this.fabric.createSegment(name, path, bytes);
  }

  detachSegment(name: string): Promise<void> {
    return this.fabric.detachSegment(name);
  }

  unreachable(endpoint: FabricEndpoint): string | undefined {
    return this.fabric.unreachable(endpoint);
  }

  close(): Promise<void> {
    return this.fabric.close();
  }
}

export class ForwardingFabric extends ForwardingBase<FabricPort> implements FabricPort {
  grant(provider: Provider): Promise<FabricGrant> {
    return this.fabric.grant(provider);
  }

  connect(endpoint: FabricEndpoint, grant: FabricGrant, options: { timeoutMs: number }): Promise<FabricConnection> {
    return this.fabric.connect(endpoint, grant, options);
  }
}

export class ForwardingSealedFabric extends ForwardingBase<SealedFabric> implements SealedFabric {
  get publicKey(): string {
    return this.fabric.publicKey;
  }

  grant(provider: Provider, recipient: Recipient): Promise<SealedGrant> {
    return this.fabric.grant(provider, recipient);
  }

  connect(
    endpoint: FabricEndpoint,
    grant: SealedGrant,
    options: { timeoutMs: number; about: string },
  ): Promise<FabricConnection> {
    return this.fabric.connect(endpoint, grant, options);
  }
}

export class ForwardingConnection implements FabricConnection {
  readonly #connection: FabricConnection;

  constructor(connection: FabricConnection) {
    this.#connection = connection;
  }

  get provider(): Provider {
    return this.#connection.provider;
  }

  get detail(): string {
    return this.#connection.detail;
  }

  write(items: readonly WriteItem[]): FabricWrite {
    return this.#connection.write(items);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
