/**
 * Measures how fast this machine moves bytes without kvferry. Runs off the event loop. Results are GB/s (10^9 bytes).
 */
import { KvferryError } from '../protocol/errors.js';
import { loadNative, type NativeModule } from './native.js';

export interface MemcpyOptions {
  /** Bytes to copy. Two files of this size exist meanwhile. */
  readonly bytes: number;
  readonly pageBytes: number;
  /** Directory of the two files, in a memory file system, normally /dev/shm. */
  readonly directory: string;
}

/**
 * One thread copies page by page with `memcpy` between two mapped and touched files. Rejects `provider_unavailable`.
 */
export async function measureMemcpy(options: MemcpyOptions): Promise<number> {
  return required().measureMemcpy(options.bytes, options.pageBytes, options.directory);
}

/** Two native threads send and receive one TCP stream over loopback. Rejects `provider_unavailable`. */
export async function measureTcpStream(options: { readonly bytes: number }): Promise<number> {
  return required().measureTcpStream(options.bytes);
}

function required(): NativeModule {
  const loaded = loadNative();
  if ('reason' in loaded) throw new KvferryError('provider_unavailable', loaded.reason);
  return loaded.native;
}
