/**
 * A fabric port with failpoints around its calls. A call that fails at one rejects `fabric_error`; a write ends with
 * it.
 */
import type {
  ArenaOptions,
  DeviceMemory,
  FabricConnection,
  FabricEndpoint,
  FabricGrant,
  FabricPort,
  FabricWrite,
  Provider,
  SegmentFile,
  SegmentSource,
  WriteItem,
  WriteOutcome,
} from '../../ports/fabric.js';
import { ForwardingConnection, ForwardingFabric } from '../../ports/forwarding-fabric.js';
import { KvferryError } from '../../protocol/errors.js';
import type { FabricCall } from './failpoint-names.js';
import type { Failpoints } from './failpoints.js';

export class FailingFabric extends ForwardingFabric {
  readonly #failpoints: Failpoints;

  constructor(fabric: FabricPort, failpoints: Failpoints) {
    super(fabric);
    this.#failpoints = failpoints;
  }

  override createArena(options: ArenaOptions): Promise<DeviceMemory | undefined> {
    return around(this.#failpoints, 'arena', () => super.createArena(options));
  }

  override grant(provider: Provider): Promise<FabricGrant> {
    return around(this.#failpoints, 'grant', () => super.grant(provider));
  }

  override revoke(grantId: string): Promise<void> {
    return around(this.#failpoints, 'revoke', () => super.revoke(grantId));
  }

  override attachSegment(name: string, source: SegmentSource): Promise<SegmentFile> {
    return around(this.#failpoints, 'attach', () => super.attachSegment(name, source));
  }

  override createSegment(name: string, path: string, bytes: number): Promise<void> {
    return around(this.#failpoints, 'segment', () => super.createSegment(name, path, bytes));
  }

  override detachSegment(name: string): Promise<void> {
    return around(this.#failpoints, 'detach', () => super.detachSegment(name));
  }

  override async connect(
    endpoint: FabricEndpoint,
    grant: FabricGrant,
    options: { timeoutMs: number },
  ): Promise<FabricConnection> {
    const connection = await around(this.#failpoints, 'connect', () => super.connect(endpoint, grant, options));
    return new FailingConnection(connection, this.#failpoints);
  }

  override close(): Promise<void> {
    return around(this.#failpoints, 'close', () => super.close());
  }
}

class FailingConnection extends ForwardingConnection {
  readonly #failpoints: Failpoints;

  constructor(connection: FabricConnection, failpoints: Failpoints) {
    super(connection);
    this.#failpoints = failpoints;
  }

  override write(items: readonly WriteItem[]): FabricWrite {
    return new FailingWrite(() => super.write(items), this.#failpoints);
  }

  override close(): Promise<void> {
    return around(this.#failpoints, 'disconnect', () => super.close());
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
