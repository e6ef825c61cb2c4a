/** What the cases of the fabric contract need from the world of an implementation: fabrics, and files that they can map. */
import type { FabricPort, Provider } from '../../../src/ports/fabric.js';
import type { Region } from '../pattern.js';

export interface FabricHarness {
  readonly provider: Provider;
  open(): Promise<FabricPort>;
  /** A path that nothing has yet, where arenas and segments may be. */
  newPath(name: string): string;
  writeFile(path: string, bytes: Uint8Array): void;
  /** Changes bytes of a file in place, as an engine that has mapped it does. */
  scribble(path: string, offset: number, bytes: Uint8Array): void;
  readFile(path: string, region?: Region): Uint8Array;
  truncate(path: string, bytes: number): void;
  exists(path: string): boolean;
  makeDirectory(path: string): void;
  /** Removes what the test left behind. */
  dispose(): void | Promise<void>;
}
