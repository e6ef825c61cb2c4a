/** The machine as the checks see it. No method throws: a value that cannot be read is undefined or empty. */

export interface FileSystem {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** True for a memory file system, whose files have no disk behind them. */
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
  /** Processors that this process may use. */
  readonly processorsUsable: number;
  readonly addresses: readonly NetworkAddress[];
  /** Content of a file, trimmed. */
  read(path: string): string | undefined;
  /** Names in a directory, sorted. */
  list(path: string): readonly string[];
  /** Last part of the target of a symbolic link. */
  linked(path: string): string | undefined;
  exists(path: string): boolean;
  /** True if this process may read and write the path. */
  mayUse(path: string): boolean;
  fileSystem(path: string): FileSystem | undefined;
  /** Addresses of a host name; for an address, the address itself. Empty when there are none. */
  resolve(host: string): Promise<readonly string[]>;
  /** Why a program cannot listen at the port, as the code of the error; undefined when it can. */
  whyNotListen(host: string, port: number): Promise<string | undefined>;
}
