/** A fabric port with failpoints around it. A call that fails there rejects `fabric_error`; a write ends with it. */
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
  WriteOutcome,
} from '../../ports/fabric.js';
import { KvferryError } from '../../protocol/errors.js';
import type { FabricCall } from './failpoint-names.js';
import type { Failpoints } from './failpoints.js';

export class FailingFabric implements FabricPort {
  readonly #fabric: FabricPort;
  readonly #failpoints: Failpoints;

  constructor(fabric: FabricPort, failpoints: Failpoints) {
    this.#fabric = fabric;
    this.#failpoints = failpoints;
  }

  endpoints(): readonly FabricEndpoint[] {
    return this.#fabric.endpoints();
  }

  unavailable(): readonly UnavailableProvider[] {
    return this.#fabric.unavailable();
  }

  canReach(endpoint: FabricEndpoint): boolean {
    return this.#fabric.canReach(endpoint);
  }

  createArena(options: ArenaOptions): Promise<void> {
    return around(this.#failpoints, 'arena', () => this.#fabric.createArena(options));
  }

  grant(provider: Provider): Promise<FabricGrant> {
    return around(this.#failpoints, 'grant', () => this.#fabric.grant(provider));
  }

  revoke(grantId: string): Promise<void> {
    return around(this.#failpoints, 'revoke', () => this.#fabric.revoke(grantId));
  }

  attachSegment(name: string, path: string): Promise<{ readonly bytes: number }> {
    return around(this.#failpoints, 'attach', () => this.#fabric.attachSegment(name, path));
  }

  createSegment(name: string, path: string, bytes: number): Promise<void> {
    return around(this.#failpoints, 'segment', () => this.#fabric.createSegment(name, path, bytes));
  }

  detachSegment(name: string): Promise<void> {
    return around(this.#failpoints, 'detach', () => this.#fabric.detachSegment(name));
  }

  async connect(
    endpoint: FabricEndpoint,
    grant: FabricGrant,
    options: { timeoutMs: number },
  ): Promise<FabricConnection> {
    const connection = await around(this.#failpoints, 'connect', () => this.#fabric.connect(endpoint, grant, options));
    return new FailingConnection(connection, this.#failpoints);
  }

  close(): Promise<void> {
    return around(this.#failpoints, 'close', () => this.#fabric.close());
  }
}

class FailingConnection implements FabricConnection {
  readonly provider: Provider;
  readonly detail: string;
  readonly #connection: FabricConnection;
  readonly #failpoints: Failpoints;

  constructor(connection: FabricConnection, failpoints: Failpoints) {
    this.provider = connection.provider;
    this.detail = connection.detail;
    this.#connection = connection;
    this.#failpoints = failpoints;
  }

  write(items: readonly WriteItem[]): FabricWrite {
    return new FailingWrite(() => this.#connection.write(items), this.#failpoints);
  }

  close(): Promise<void> {
    return around(this.#failpoints, 'disconnect', () => this.#connection.close());
  }
}

class FailingWrite implements FabricWrite {
  readonly done: Promise<WriteOutcome>;
  readonly #failpoints: Failpoints;
  #write: FabricWrite | undefined;
  #stopped = false;
  #ended = false;

  constructor(begin: () => FabricWrite, failpoints: Failpoints) {
    this.#failpoints = failpoints;
    this.done = this.#run(begin);
  }

  stop(): void {
    this.#stopped = true;
    this.#write?.stop();
  }

  async #run(begin: () => FabricWrite): Promise<WriteOutcome> {
    if ((await this.#failpoints.reach('write.starting')) === 'fail') return failed('write.starting', 0, true);
    if (this.#stopped) return { status: 'stopped', bytes: 0, drained: true };
    const write = begin();
    this.#write = write;
    const underway = this.#underway(write);
    const outcome = await write.done;
    this.#ended = true;
    const drained = outcome.status === 'delivered' || outcome.drained;
    if ((await underway) === 'fail') return failed('write.underway', outcome.bytes, drained);
    if ((await this.#failpoints.reach('write.done')) === 'fail') return failed('write.done', outcome.bytes, drained);
    return outcome;
  }

  /** The fabric posts on a thread of its own: a turn of the event loop later it is at work, if it has not ended. */
  async #underway(write: FabricWrite): Promise<'pass' | 'fail'> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#ended) return 'pass';
    const reached = await this.#failpoints.reach('write.underway');
    if (reached === 'fail') write.stop();
    return reached;
  }
}

/** `call`, with a failpoint before and one after it. */
async function around<T>(failpoints: Failpoints, call: FabricCall, work: () => Promise<T>): Promise<T> {
  const pass = async (name: string) => {
    if ((await failpoints.reach(name)) === 'fail') throw new KvferryError('fabric_error', `failpoint ${name}`);
  };
  await pass(`${call}.starting`);
  const result = await work();
  await pass(`${call}.done`);
  return result;
}

function failed(name: string, bytes: number, drained: boolean): WriteOutcome {
  return { status: 'failed', bytes, drained, code: 'fabric_error', message: `failpoint ${name}` };
}
