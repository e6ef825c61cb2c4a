/**
 * The sockets of same-host receivers, before this process connects to them. A receiver names its path; in another mount namespace
 * that path leads elsewhere, or nowhere. Node's thread pool looks, because a file system that hangs would stop the event loop.
 * It also keeps a thread of the pool, so there are few looks at a time, and one in a directory.
 */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KvferryError } from '../protocol/errors.js';

/** The thread pool has four threads, which all work with files shares. */
const LOOKS_MAX = 2;

type Look = typeof stat;

interface UnderWay {
  /** Never rejects. */
  readonly ended: Promise<void>;
  /** It was not answered in time. No other look waits for it. */
  isHung: boolean;
}

export class ReceiverSockets {
  readonly #stat: Look;
  /** Looks that are not answered, by directory. */
  readonly #underWay = new Map<string, UnderWay>();

  constructor(look: Look = stat) {
    this.#stat = look;
  }

  /**
   * Resolves when the address leads to the receiver's socket here too. Rejects `connection_failed` with the reason, also when
   * the file system does not answer within `timeoutMs`.
   */
  async check(address: string, timeoutMs: number): Promise<void> {
    const [, device, inode, hex = ''] = address.split(':');
    const path = Buffer.from(hex, 'hex').toString();
    const { dev, ino } = await this.#inTime(timeoutMs, path, this.#look(path));
    if (dev.toString(16) === device && ino.toString(16) === inode) return;
    throw unreachable(path, 'it is not the socket of the receiver, whose file system this process does not see');
  }

  async #look(path: string): Promise<{ readonly dev: bigint; readonly ino: bigint }> {
    const directory = dirname(path);
    for (let ahead = this.#ahead(directory); ahead.length > 0; ahead = this.#ahead(directory)) {
      if (ahead.every(({ isHung }) => isHung)) throw unreachable(path, 'its file system does not answer');
      await Promise.race(ahead.map(({ ended }) => ended));
    }
    const look = this.#stat(path, { bigint: true });
    const end = () => void this.#underWay.delete(directory);
    this.#underWay.set(directory, { ended: look.then(end, end), isHung: false });
    try {
      return await look;
    } catch (cause) {
      throw unreachable(path, cause instanceof Error ? cause.message : String(cause), cause);
    }
  }

  /** The looks of which one must end before there can be another in this directory. */
  #ahead(directory: string): UnderWay[] {
    const same = this.#underWay.get(directory);
    if (same !== undefined) return [same];
    return this.#underWay.size < LOOKS_MAX ? [] : [...this.#underWay.values()];
  }

  async #inTime<T>(timeoutMs: number, path: string, work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        for (const ahead of this.#ahead(dirname(path))) ahead.isHung = true;
        reject(unreachable(path, `its file system did not answer within ${timeoutMs} ms`));
      }, timeoutMs);
      timer.unref();
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function unreachable(path: string, reason: string, cause?: unknown): KvferryError {
  return new KvferryError('connection_failed', `socket ${path}: ${reason}`, { cause });
}
