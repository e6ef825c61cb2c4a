/** How fast this machine moves bytes without kvferry. Both run off the event loop. Results are GB/s (10^9 bytes). */
import { KvferryError } from '../protocol/errors.js';
import { loadNative, type NativeModule } from './native.js';

export interface MemcpyOptions {
  /** How much to copy. Two files of this size exist while it runs. */
  readonly bytes: number;
  readonly pageBytes: number;
  /** Where the two files are made: a memory file system, normally /dev/shm. */
  readonly directory: string;
}

/** One thread, `memcpy`, page by page between two mapped and touched files. Rejects `provider_unavailable`. */
export async function measureMemcpy(options: MemcpyOptions): Promise<number> {
  return required().measureMemcpy(options.bytes, options.pageBytes, options.directory);
}

/** One TCP stream over loopback between two native threads. Rejects `provider_unavailable`. */
export async function measureTcpStream(options: { readonly bytes: number }): Promise<number> {
  return required().measureTcpStream(options.bytes);
}

function required(): NativeModule {
  const loaded = loadNative();
  if ('reason' in loaded) throw new KvferryError('provider_unavailable', loaded.reason);
  return loaded.native;
}
