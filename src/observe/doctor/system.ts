/** All that the checks see of the machine they run on. Nothing here throws: what cannot be read is undefined, or empty. */

export interface FileSystem {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** It is in memory, so that its files can be mapped without a disk behind them. */
  readonly isTmpfs: boolean;
}

export interface NetworkAddress {
  readonly interface: string;
  readonly address: string;
  readonly isInternal: boolean;
}

export interface System {
  /** As in `v20.19.0`. */
  readonly nodeVersion: string;
  /** Processors of the machine. */
  readonly processors: number;
  /** Those that this process may run on. */
  readonly processorsUsable: number;
  readonly addresses: readonly NetworkAddress[];
  /** Content of a file, without the space around it. */
  read(path: string): string | undefined;
  /** Names in a directory, sorted. */
  list(path: string): readonly string[];
  /** Last part of what a symbolic link leads to. */
  linked(path: string): string | undefined;
  exists(path: string): boolean;
  /** May this process read and write it? */
  mayUse(path: string): boolean;
  fileSystem(path: string): FileSystem | undefined;
  /** Addresses of a host name; of an address, itself. Empty when there are none. */
  resolve(host: string): Promise<readonly string[]>;
}
