/** What this host must have. Nothing is installed on it. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CannotSetUp } from '../debian/cannot-set-up.js';

/** Program → Debian package. */
const PROGRAMS: Readonly<Record<string, string>> = {
  dockerd: 'docker.io',
  docker: 'docker.io',
  containerd: 'containerd',
  runc: 'runc',
  iptables: 'iptables',
  ip: 'iproute2',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  nsenter: 'util-linux',
};

/** Throws `CannotSetUp`. */
export function requireHost(): void {
  if (process.platform !== 'linux') throw new CannotSetUp(`dockerd needs Linux; this is ${process.platform}`);
  if (process.getuid?.() !== 0) throw new CannotSetUp('dockerd needs root; run it as root');
  requirePrograms(Object.keys(PROGRAMS));
}

/** Throws `CannotSetUp`, with the packages to install. */
export function requirePrograms(names: readonly string[]): void {
  const missing = names.filter((name) => findProgram(name) === undefined);
  if (missing.length === 0) return;
  const packages = new Set(missing.map((name) => PROGRAMS[name] ?? name));
  const command = `apt-get install --no-install-recommends ${[...packages].join(' ')}`;
  throw new CannotSetUp(`missing: ${missing.join(', ')}; run as root: ${command}`);
}

function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders
    .filter(Boolean)
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
