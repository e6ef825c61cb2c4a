/** The fabrics of one case of the contract: a harness of its own, and everything that it opened is closed after it. */
import { afterEach, beforeEach } from 'vitest';
import type { FabricConnection, FabricEndpoint, FabricGrant, FabricPort, Provider } from '../../../src/ports/fabric.js';
import { pattern } from '../pattern.js';
import type { FabricHarness } from './fabric-harness.js';
import { expectSame, pageBytes, pages, timeoutMs } from './writes.js';

interface Receiver {
  readonly fabric: FabricPort;
  readonly path: string;
  readonly endpoint: FabricEndpoint;
}

interface Pair extends Receiver {
  readonly sender: FabricPort;
  readonly grant: FabricGrant;
  readonly connection: FabricConnection;
}

export class Fabrics {
  #harness: FabricHarness | undefined;
  #opened: FabricPort[] = [];

  /**
   * Must be called inside `describe`: it sets up every case of that suite. `onDevice`: arenas are memory of a device, and so are
   * segments, where the harness has files.
   */
  constructor(
    createHarness: () => FabricHarness,
    readonly onDevice: boolean,
  ) {
    beforeEach(() => {
      this.#harness = createHarness();
      this.#opened = [];
    });
    afterEach(async () => {
      await Promise.all(this.#opened.map((fabric) => fabric.close()));
      await this.harness.dispose();
    });
  }

  get harness(): FabricHarness {
    if (this.#harness === undefined) throw new Error('no case is running');
    return this.#harness;
  }

  /** One that no fabric of these cases offers. */
  get otherProvider(): Provider {
    return this.harness.provider === 'verbs' ? 'efa' : 'verbs';
  }

  async open(): Promise<FabricPort> {
    const fabric = await this.harness.open();
    this.#opened.push(fabric);
    return fabric;
  }

  async openReceiver(size: { pageBytes: number; pages: number } = { pageBytes, pages }): Promise<Receiver> {
    const fabric = await this.open();
    const path = this.harness.newPath('arena');
    await fabric.createArena({ path, ...size });
    return { fabric, path, endpoint: this.#endpointOf(fabric) };
  }

  async openPair(size?: { pageBytes: number; pages: number }): Promise<Pair> {
    const receiver = await this.openReceiver(size);
    const sender = await this.open();
    return { ...receiver, sender, ...(await this.join(sender, receiver)) };
  }

  async join(sender: FabricPort, receiver: Receiver): Promise<{ grant: FabricGrant; connection: FabricConnection }> {
    const grant = await receiver.fabric.grant(this.harness.provider);
    return { grant, connection: await sender.connect(receiver.endpoint, grant, { timeoutMs }) };
  }

  #endpointOf(fabric: FabricPort): FabricEndpoint {
    const endpoint = fabric.endpoints().find(({ provider }) => provider === this.harness.provider);
    if (endpoint === undefined) throw new Error(`no endpoint; unavailable: ${JSON.stringify(fabric.unavailable())}`);
    return endpoint;
  }

  async attach(fabric: FabricPort, name: string, bytes: Uint8Array): Promise<string> {
    const path = this.harness.newPath(name);
    this.harness.writeFile(path, bytes);
    await fabric.attachSegment(name, path);
    return path;
  }

  /** Fills the arena with bytes that only `key` has. The function that it returns checks that they are still there. */
  fill(receiver: Receiver, key: string, bytes = pageBytes * pages): () => void {
    const canary = pattern(key, bytes);
    this.harness.scribble(receiver.path, 0, canary);
    return () => expectSame(this.harness.readFile(receiver.path), canary);
  }

  /** Resolves when something has landed in an arena to which nothing was written before. */
  async untilSomethingLanded(receiver: Receiver): Promise<void> {
    const untouched = new Uint8Array(pageBytes * pages);
    while (Buffer.compare(this.harness.readFile(receiver.path), untouched) === 0) await nextTurn();
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
