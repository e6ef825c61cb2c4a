import type { FabricConnection, FabricWrite, Provider, WriteItem } from '../ports/fabric.js';
import { failedWrite } from './writes.js';

/** Keeps the fabric's secrets out of what its users can print: a connection holds two functions and no token. */
export class NativeConnection implements FabricConnection {
  readonly #calls: { write(items: readonly WriteItem[]): FabricWrite; close(): Promise<void> };
  #closing: Promise<void> | undefined;

  constructor(
    readonly provider: Provider,
    readonly detail: string,
    calls: { write(items: readonly WriteItem[]): FabricWrite; close(): Promise<void> },
  ) {
    this.#calls = calls;
  }

  write(items: readonly WriteItem[]): FabricWrite {
    if (this.#closing !== undefined) return failedWrite('connection_lost', 'the connection is closed');
    return this.#calls.write(items);
  }

  close(): Promise<void> {
    this.#closing ??= this.#calls.close();
    return this.#closing;
  }
}
