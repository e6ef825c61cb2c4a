/** The bytes that a probe moves: a file of random pages, each of them different. */
import { randomFillSync } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';

/** The agent may run as another user; nothing in it is secret. */
const READABLE_BY_ALL = 0o644;

export class ProbeSource {
  readonly path: string;
  readonly pageBytes: number;
  readonly pages: number;
  readonly #page: Buffer;

  private constructor(path: string, pageBytes: number, pages: number) {
    this.path = path;
    this.pageBytes = pageBytes;
    this.pages = pages;
    this.#page = randomFillSync(Buffer.allocUnsafe(pageBytes));
  }

  /** Makes the file, which must not exist. Rejects with what the system says; then there is no file. */
  static async create(path: string, pageBytes: number, pages: number): Promise<ProbeSource> {
    const source = new ProbeSource(path, pageBytes, pages);
    const file = await open(path, 'wx', READABLE_BY_ALL);
    try {
      for (let page = 0; page < pages; page += 1) {
        await file.write(source.#bytesOf(page), 0, pageBytes, page * pageBytes);
      }
      return source;
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  }

  /** Pages of the file at `arenaPath` that do not have the bytes of their source page. `places`: number of each. */
  async differing(arenaPath: string, places: readonly number[]): Promise<number> {
    const arena = await open(arenaPath, 'r');
    try {
      let differing = 0;
      for (const [page, place] of places.entries()) if (!(await this.#isSame(arena, page, place))) differing += 1;
      return differing;
    } finally {
      await arena.close();
    }
  }

  async #isSame(arena: FileHandle, page: number, place: number): Promise<boolean> {
    const bytes = Buffer.allocUnsafe(this.pageBytes);
    const { bytesRead } = await arena.read(bytes, 0, this.pageBytes, place * this.pageBytes);
    return bytesRead === this.pageBytes && bytes.equals(this.#bytesOf(page));
  }

  /** One buffer serves for all pages. */
  #bytesOf(page: number): Buffer {
    this.#page.writeUInt32LE(page);
    return this.#page;
  }
}
