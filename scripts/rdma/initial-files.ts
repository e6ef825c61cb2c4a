/** The guest's first file system, which is in memory: what it takes to reach the host's root. */
import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { output } from '../debian/command.js';
import type { UnpackedKernel } from './kernel-cache.js';

const DIRECTORIES = ['above', 'below', 'bin', 'dev', 'modules', 'proc', 'root', 'sys'] as const;

/** Writes the archive that the kernel unpacks. `work` must not exist yet. */
export function makeInitialFiles(kernel: UnpackedKernel, init: string, work: string, archive: string): void {
  for (const directory of DIRECTORIES) mkdirSync(join(work, directory), { recursive: true });
  copyFileSync('/bin/busybox', join(work, 'bin/busybox'));
  copyFileSync(init, join(work, 'init'));
  chmodSync(join(work, 'init'), 0o755);
  const modules = kernel.modules.map((file) => `modules/${basename(file)}`);
  for (const file of kernel.modules) copyFileSync(file, join(work, 'modules', basename(file)));
  const names = [...DIRECTORIES, 'bin/busybox', 'init', ...modules];
  writeFileSync(
    archive,
    output('cpio', ['-o', '-H', 'newc', '--quiet'], { cwd: work, input: Buffer.from(names.join('\n')) }),
  );
  rmSync(work, { recursive: true });
}
