/** The fabric port of an agent that is recorded. Remote keys are sealed in it, so nobody can use those of a recording. */
import type {
  ArenaOptions,
  DeviceMemory,
  FabricConnection,
  FabricEndpoint,
  FabricWrite,
  Provider,
  SegmentFile,
  SegmentSource,
  UnavailableProvider,
  WriteItem,
} from '../../ports/fabric.js';
import { ForwardingConnection, ForwardingSealedFabric } from '../../ports/forwarding-fabric.js';
import type { Recipient, SealedFabric, SealedGrant } from '../../ports/sealed-fabric.js';
import { defined } from '../../protocol/defined.js';
import type { FabricOffer } from './record.js';
import { type Recorder, toPortError } from './recorder.js';

export class RecordingFabric extends ForwardingSealedFabric {
  readonly #recorder: Recorder;
  /**
   * The offer that the agent sees. It is read again only when the arena is created, so it never changes within a turn.
   */
  #offer: FabricOffer;

  constructor(fabric: SealedFabric, recorder: Recorder) {
    super(fabric);
    this.#recorder = recorder;
    this.#offer = this.#currentOffer();
  }

  override endpoints(): readonly FabricEndpoint[] {
    return this.#offer.endpoints;
  }

  override unavailable(): readonly UnavailableProvider[] {
    return this.#offer.unavailable;
  }

  override unreachable(endpoint: FabricEndpoint): string | undefined {
    const reason = super.unreachable(endpoint);
    this.#recorder.note({ out: 'reach', endpoint, reachable: reason === undefined, ...defined({ reason }) });
    return reason;
  }

  override async createArena(options: ArenaOptions): Promise<DeviceMemory | undefined> {
    this.#offer = await this.#recorder.ask(
      'arena',
      { ...options },
      {
        begin: async () => {
          const memory = await super.createArena(options);
          return memory === undefined ? this.#currentOffer() : { ...this.#currentOffer(), memory };
        },
        record: (offer) => offer,
      },
    );
    return this.#offer.memory;
  }

  override arenaLost(): Promise<string> {
    return this.#recorder.ask('arena.lost', {}, { begin: () => super.arenaLost(), record: (reason) => reason });
  }

  override grant(provider: Provider, recipient: Recipient): Promise<SealedGrant> {
    const begin = () => super.grant(provider, recipient);
    return this.#recorder.ask('grant', { provider, recipient }, { begin, record: (grant) => grant });
  }

  override revoke(grantId: string): Promise<void> {
    return this.#recorder.ask('revoke', { grant: grantId }, { begin: () => super.revoke(grantId) });
  }

  override identify(source: SegmentSource): Promise<SegmentFile | undefined> {
    const begin = () => super.identify(source);
    return this.#recorder.ask('identify', { path: source }, { begin, record: (file) => file });
  }

  override attachSegment(name: string, source: SegmentSource): Promise<SegmentFile> {
    return this.#recorder.ask(
      'attach',
      { name, path: source },
      {
        begin: () => super.attachSegment(name, source),
        record: (attached) => attached,
      },
    );
  }

  override createSegment(name: string, path: string, bytes: number): Promise<void> {
    const begin = () => super.createSegment(name, path, bytes);
    return this.#recorder.ask('segment', { name, path, bytes }, { begin });
  }

  override detachSegment(name: string): Promise<void> {
    return this.#recorder.ask('detach', { name }, { begin: () => super.detachSegment(name) });
  }

  override async connect(
    endpoint: FabricEndpoint,
    grant: SealedGrant,
    options: { timeoutMs: number; about: string },
  ): Promise<FabricConnection> {
    const question = this.#recorder.nextName();
    const args = { endpoint, grant, ...options };
    this.#recorder.note({ out: 'ask', question, call: 'connect', with: args });
    const connection = await this.#recorder.answerTo(question, {
      begin: () => super.connect(endpoint, grant, options),
      record: ({ provider, detail }) => ({ provider, detail }),
    });
    return new RecordingConnection(question, connection, this.#recorder);
  }

  override close(): Promise<void> {
    return this.#recorder.ask('close', {}, { begin: () => super.close() });
  }

  #currentOffer(): FabricOffer {
    return { endpoints: [...super.endpoints()], unavailable: [...super.unavailable()] };
  }
}

class RecordingConnection extends ForwardingConnection {
  /** The name of the question that this connection answered. */
  readonly #name: string;
  readonly #recorder: Recorder;

  constructor(name: string, connection: FabricConnection, recorder: Recorder) {
    super(connection);
    this.#name = name;
    this.#recorder = recorder;
  }

  override write(items: readonly WriteItem[]): FabricWrite {
    const question = this.#recorder.nextName();
    const asked = {
      out: 'ask',
      question,
      call: 'write',
      with: { connection: this.#name, items: rowsOf(items) },
    } as const;
    const write = this.#begin(items, (error) => this.#recorder.note({ ...asked, error: toPortError(error) }));
    this.#recorder.note(asked);
    return {
      done: this.#recorder.answerTo(question, { begin: () => write.done, record: (outcome) => outcome }),
      stop: () => {
        this.#recorder.note({ out: 'write.stop', question });
        write.stop();
      },
    };
  }

  override close(): Promise<void> {
    return this.#recorder.ask('disconnect', { connection: this.#name }, { begin: () => super.close() });
  }

  #begin(items: readonly WriteItem[], onThrown: (error: unknown) => void): FabricWrite {
    try {
      return super.write(items);
    } catch (error) {
      onThrown(error);
      throw error;
    }
  }
}

export type WriteRow = readonly [
  segment: string,
  sourceOffset: number,
  targetOffset: number,
  ...lengthAndPieces: number[],
];

/** One array for each item keeps the recording small: a write can have thousands of items. */
export function rowsOf(items: readonly WriteItem[]): WriteRow[] {
  return items.map(({ segment, sourceOffset, targetOffset, length, pieces }) => {
    const place = pieces === undefined ? [length] : [length, pieces.count, pieces.stride];
    return [segment, sourceOffset, targetOffset, ...place];
  });
}
