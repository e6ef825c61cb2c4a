/** What this host must have. */
import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import { CannotSetUp } from './cannot-set-up.js';

/** Programs, with the Debian packages that have them. */
const PROGRAMS = {
  'qemu-system-x86_64': 'qemu-system-x86',
  busybox: 'busybox-static',
  cpio: 'cpio',
  xz: 'xz-utils',
  'dpkg-deb': 'dpkg',
  'apt-get': 'apt',
  rdma: 'iproute2',
  'nats-server': 'nats-server',
  'g++': 'build-essential',
} as const;

/** Debian has some of them only where root looks. */
const MORE_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Throws `CannotSetUp`. */
export function requireHost(root: string): void {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new CannotSetUp(
      `the guest runs the programs of this host, so the host must be Linux on x64, not ${process.platform} on ${process.arch}`,
    );
  }
  const missing = Object.entries(PROGRAMS).filter(([program]) => !isInstalled(program));
  if (missing.length > 0) {
    const packages = missing.map(([, name]) => name).join(' ');
    throw new CannotSetUp(
      `missing: ${missing.map(([program]) => program).join(', ')}; run apt-get install ${packages} as root`,
    );
  }
  if (!existsSync(join(root, 'build/Release/kvferry_native.node'))) {
    throw new CannotSetUp('the native addon is not built; npm run build:native shows why');
  }
}

function isInstalled(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(':'), ...MORE_FOLDERS];
  return folders.some((folder) => isExecutable(join(folder, program)));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
