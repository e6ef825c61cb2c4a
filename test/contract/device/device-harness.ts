/**
 * Memory of a CUDA device in place of files, on the native addon: an engine of its own process has the segments, and opens the
 * arena. A path is a name for such memory; a file stands where it is taken.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ArenaOptions, DeviceMemory, FabricPort, SegmentFile, SegmentSource } from '../../../src/ports/fabric.js';
import { ForwardingFabric } from '../../../src/ports/forwarding-fabric.js';
import type { FabricHarness } from '../fabric/fabric-harness.js';
import { nativeHarness } from '../native-harness.js';
import { CudaEngine } from './cuda-engine.js';

interface Known {
  readonly id: number;
  readonly memory: DeviceMemory;
}

export interface DeviceHarnessOptions {
  /** The compiled `cuda-engine.cc`. */
  readonly engine: string;
  readonly segments: 'device' | 'host';
  readonly arena: 'device' | 'host';
}

export class DeviceHarness implements FabricHarness {
  /** Every pair of places that needs a device. */
  static readonly shapes = [
    { segments: 'device', arena: 'device' },
    { segments: 'device', arena: 'host' },
    { segments: 'host', arena: 'device' },
  ] as const;

  readonly provider = 'same-host';
  readonly engine: CudaEngine;
  readonly #files = nativeHarness('same-host');
  readonly #directory = mkdtempSync('/dev/shm/kvferry-engine-');
  readonly #known = new Map<string, Known>();
  readonly #options: DeviceHarnessOptions;

  constructor(options: DeviceHarnessOptions) {
    this.#options = options;
    this.engine = new CudaEngine(options.engine, this.#directory);
  }

  async open(): Promise<FabricPort> {
    return new DeviceFabric(await this.#files.open(), this);
  }

  newPath(name: string): string {
    return this.#files.newPath(name);
  }

  writeFile(path: string, bytes: Uint8Array): void {
    this.#files.writeFile(path, bytes);
    if (this.#options.segments === 'host' || bytes.length === 0) return;
    writeFileSync(path, '');
    const known = this.engine.allocate(bytes.length);
    this.engine.write(known.id, 0, bytes);
    this.#known.set(path, known);
  }

  scribble(path: string, offset: number, bytes: Uint8Array): void {
    const known = this.#known.get(path);
    if (known === undefined) this.#files.scribble(path, offset, bytes);
    else this.engine.write(known.id, offset, bytes);
  }

  readFile(path: string, region?: { offset: number; length: number }): Uint8Array {
    const known = this.#known.get(path);
    if (known === undefined) return this.#files.readFile(path, region);
    const { offset, length } = region ?? { offset: 0, length: known.memory.bytes };
    return this.engine.read(known.id, offset, length);
  }

  truncate(path: string, bytes: number): void {
    this.#files.truncate(path, bytes);
  }

  exists(path: string): boolean {
    return this.#known.has(path) || this.#files.exists(path);
  }

  makeDirectory(path: string): void {
    this.#files.makeDirectory(path);
  }

  async dispose(): Promise<void> {
    await this.engine.close();
    await this.#files.dispose();
    rmSync(this.#directory, { recursive: true });
  }

  /** What a fabric attaches under a path. */
  source(source: SegmentSource): SegmentSource {
    return typeof source === 'string' ? (this.#known.get(source)?.memory ?? source) : source;
  }

  arena(options: ArenaOptions): ArenaOptions {
    return this.#options.arena === 'host' ? options : { ...options, device: this.engine.device };
  }

  opens(path: string, memory: DeviceMemory): void {
    this.#known.set(path, { id: this.engine.open(memory), memory });
  }

  forgets(path: string): void {
    const known = this.#known.get(path);
    if (known === undefined) return;
    this.#known.delete(path);
    this.engine.release(known.id);
  }
}

class DeviceFabric extends ForwardingFabric {
  readonly #harness: DeviceHarness;
  #arena: string | undefined;

  constructor(fabric: FabricPort, harness: DeviceHarness) {
    super(fabric);
    this.#harness = harness;
  }

  override async createArena(options: ArenaOptions): Promise<DeviceMemory | undefined> {
    const memory = await super.createArena(this.#harness.arena(options));
    if (memory !== undefined) this.#harness.opens(options.path, memory);
    this.#arena = options.path;
    return memory;
  }

  override attachSegment(name: string, source: SegmentSource): Promise<SegmentFile> {
    return super.attachSegment(name, this.#harness.source(source));
  }

  override identify(source: SegmentSource): Promise<SegmentFile | undefined> {
    return super.identify(this.#harness.source(source));
  }

  override close(): Promise<void> {
    if (this.#arena !== undefined) this.#harness.forgets(this.#arena);
    return super.close();
  }
}
