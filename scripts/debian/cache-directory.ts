/** Where a command keeps what it downloads or makes once. */
import { homedir } from 'node:os';
import { join } from 'node:path';

export function cacheDirectory(name: string): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'kvferry', name);
}
