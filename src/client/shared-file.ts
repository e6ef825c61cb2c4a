/** Source memory in a file, normally in /dev/shm. */
import { type FileHandle, open, rm } from 'node:fs/promises';
import type { SourceMemory } from './source-memory.js';

/** Only processes of the same user may read the file. */
const OWNER_ONLY = 0o600;

export class SharedFile implements SourceMemory {
  readonly path: string;
  readonly bytes: number;
  readonly #file: FileHandle;

  private constructor(path: string, bytes: number, file: FileHandle) {
    this.path = path;
    this.bytes = bytes;
    this.#file = file;
  }

  /**
   * Makes the file, which must not exist yet. `mode` says who may open it: the agent must be one of them. Rejects with the
   * error of the system; then there is no file.
   */
  static async create(path: string, bytes: number, mode = OWNER_ONLY): Promise<SharedFile> {
    const file = await open(path, 'wx+', mode);
    const memory = new SharedFile(path, bytes, file);
    try {
      await file.truncate(bytes);
      return memory;
    } catch (error) {
      await memory.close();
      await memory.unlink();
      throw error;
    }
  }

  /** Opens memory that is there already, such as a memfd by its path in /proc. Rejects with the error of the system. */
  static async open(path: string): Promise<SharedFile> {
    const file = await open(path, 'r+');
    const { size } = await file.stat();
    return new SharedFile(path, size, file);
  }

  /** Rejects with the error of the system, `ENOSPC` for example when /dev/shm is full. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.length; ) {
      // The system may write less than it is asked to. It reports why with the next attempt.
      const { bytesWritten } = await this.#file.write(bytes, written, bytes.length - written, offset + written);
      written += bytesWritten;
    }
  }

  /** Takes the name away. An agent that has attached the file keeps it, and no later crash leaves it behind. */
  async unlink(): Promise<void> {
    await rm(this.path, { force: true });
  }

  /** Closes the file. It keeps its name. */
  async close(): Promise<void> {
    await this.#file.close();
  }
}
