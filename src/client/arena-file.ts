/** The memory of a decode agent, as an engine on the same host reads it. */
import { constants, open } from 'node:fs/promises';
import { KvferryError } from '../protocol/errors.js';

export interface ArenaFile {
  /** Reads `into.length` bytes from byte `offset` on. */
  read(into: Uint8Array, offset: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens the arena. It can be injected: the simulation has its arenas in memory. */
export type OpenArena = (path: string) => Promise<ArenaFile>;

/** Opens the file read-only. Rejects `receiver_lost` when there is no such file: the agent was restarted, or is elsewhere. */
export const openArena: OpenArena = async (path) => {
  // Without O_NONBLOCK, the name of a pipe would block for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw new KvferryError('receiver_lost', `arena ${path} cannot be opened: is its agent on this host?`, { cause });
  });
  return {
    async read(into, offset) {
      const { bytesRead } = await file.read(into, 0, into.length, offset);
      if (bytesRead === into.length) return;
      throw new KvferryError('receiver_lost', `arena ${path} ends after ${offset + bytesRead} bytes`);
    },
    close: () => file.close(),
  };
};
