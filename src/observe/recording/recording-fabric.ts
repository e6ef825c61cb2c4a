/** A fabric port that is recorded. Tokens of remote keys are not written down. */
import type {
  ArenaOptions,
  FabricConnection,
  FabricEndpoint,
  FabricGrant,
  FabricPort,
  FabricWrite,
  Provider,
  UnavailableProvider,
  WriteItem,
} from '../../ports/fabric.js';
import type { FabricOffer } from './record.js';
import { type Recorder, toPortError } from './recorder.js';

export class RecordingFabric implements FabricPort {
  readonly #fabric: FabricPort;
  readonly #recorder: Recorder;
  /** As it was when the agent last learnt of it: it must not change in the middle of a turn. */
  #offer: FabricOffer;

  constructor(fabric: FabricPort, recorder: Recorder) {
    this.#fabric = fabric;
    this.#recorder = recorder;
    this.#offer = offerOf(fabric);
  }

  endpoints(): readonly FabricEndpoint[] {
    return this.#offer.endpoints;
  }

  unavailable(): readonly UnavailableProvider[] {
    return this.#offer.unavailable;
  }

  canReach(endpoint: FabricEndpoint): boolean {
    const reachable = this.#fabric.canReach(endpoint);
    this.#recorder.note({ out: 'reach', endpoint, reachable });
    return reachable;
  }

  async createArena(options: ArenaOptions): Promise<void> {
    this.#offer = await this.#recorder.ask(
      'arena',
      { ...options },
      {
        begin: async () => {
          await this.#fabric.createArena(options);
          return offerOf(this.#fabric);
        },
        record: (offer) => offer,
      },
    );
  }

  grant(provider: Provider): Promise<FabricGrant> {
    return this.#recorder.ask(
      'grant',
      { provider },
      {
        begin: () => this.#fabric.grant(provider),
        record: (grant) => this.#redacted(grant),
      },
    );
  }

  revoke(grantId: string): Promise<void> {
    return this.#recorder.ask('revoke', { grant: grantId }, { begin: () => this.#fabric.revoke(grantId) });
  }

  attachSegment(name: string, path: string): Promise<{ readonly bytes: number }> {
    return this.#recorder.ask(
      'attach',
      { name, path },
      {
        begin: () => this.#fabric.attachSegment(name, path),
        record: (attached) => attached,
      },
    );
  }

  createSegment(name: string, path: string, bytes: number): Promise<void> {
    const begin = () => this.#fabric.createSegment(name, path, bytes);
    return this.#recorder.ask('segment', { name, path, bytes }, { begin });
  }

  detachSegment(name: string): Promise<void> {
    return this.#recorder.ask('detach', { name }, { begin: () => this.#fabric.detachSegment(name) });
  }

  async connect(
    endpoint: FabricEndpoint,
    grant: FabricGrant,
    options: { timeoutMs: number },
  ): Promise<FabricConnection> {
    const question = this.#recorder.nextName();
    const args = { endpoint, grant: this.#redacted(grant), timeoutMs: options.timeoutMs };
    this.#recorder.note({ out: 'ask', question, call: 'connect', with: args });
    const connection = await this.#recorder.answerTo(question, {
      begin: () => this.#fabric.connect(endpoint, grant, options),
      record: ({ provider, detail }) => ({ provider, detail }),
    });
    return new RecordingConnection(question, connection, this.#recorder);
  }

  close(): Promise<void> {
    return this.#recorder.ask('close', {}, { begin: () => this.#fabric.close() });
  }

  #redacted(grant: FabricGrant): FabricGrant {
    const { id, provider, token, arenaBytes } = grant;
    return { id, provider, token: this.#recorder.redaction.token(token), arenaBytes };
  }
}

class RecordingConnection implements FabricConnection {
  readonly provider: Provider;
  readonly detail: string;
  /** The question that it is the answer to. */
  readonly #name: string;
  readonly #connection: FabricConnection;
  readonly #recorder: Recorder;

  constructor(name: string, connection: FabricConnection, recorder: Recorder) {
    this.provider = connection.provider;
    this.detail = connection.detail;
    this.#name = name;
    this.#connection = connection;
    this.#recorder = recorder;
  }

  write(items: readonly WriteItem[]): FabricWrite {
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

  close(): Promise<void> {
    return this.#recorder.ask('disconnect', { connection: this.#name }, { begin: () => this.#connection.close() });
  }

  #begin(items: readonly WriteItem[], onThrown: (error: unknown) => void): FabricWrite {
    try {
      return this.#connection.write(items);
    } catch (error) {
      onThrown(error);
      throw error;
    }
  }
}

export type WriteRow = readonly [segment: string, sourceOffset: number, targetOffset: number, length: number];

/** One array an item: there can be thousands. */
export function rowsOf(items: readonly WriteItem[]): WriteRow[] {
  return items.map(({ segment, sourceOffset, targetOffset, length }) => [segment, sourceOffset, targetOffset, length]);
}

function offerOf(fabric: FabricPort): FabricOffer {
  return { endpoints: [...fabric.endpoints()], unavailable: [...fabric.unavailable()] };
}
