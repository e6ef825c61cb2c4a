/** Kernels that were unpacked once: per kernel an image and the modules that the guest loads. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../debian/cache-directory.js';
import { CannotSetUp } from '../debian/cannot-set-up.js';
import { output } from '../debian/command.js';
import { modulesToLoad } from './kernel-modules.js';
import { downloadKernel } from './kernel-package.js';
import { guestModules, type Kernel } from './kernels.js';

export interface UnpackedKernel {
  /** Such as `6.1.0-50-amd64`. */
  readonly release: string;
  readonly image: string;
  /** Files of the modules, in the order in which they are loaded. */
  readonly modules: readonly string[];
}

/** What the files beside it were made from. */
const STAMP = 'made-from.json';

/**
 * The kernel, from the cache or downloaded. One is downloaded again only when the guest needs other modules. `say` receives a
 * line before a download.
 */
export function unpackedKernel(kernel: Kernel, say: (line: string) => void): UnpackedKernel {
  const cache = cacheDirectory('rdma');
  const kept = join(cache, kernel.name);
  const stamp = JSON.stringify({ suite: kernel.suite, modules: guestModules });
  const stampFile = join(kept, STAMP);
  if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp) {
    say(`downloading kernel ${kernel.name}, about 100 MB, into ${cache}`);
    mkdirSync(cache, { recursive: true });
    const work = mkdtempSync(join(cache, 'work-'));
    try {
      const made = join(work, 'made');
      unpack(kernel, work, made);
      writeFileSync(join(made, STAMP), stamp);
      rmSync(kept, { recursive: true, force: true });
      renameSync(made, kept);
    } catch (error) {
      throw new CannotSetUp(`kernel ${kernel.name} of ${kernel.suite}: ${(error as Error).message}`);
    } finally {
      rmSync(work, { recursive: true });
    }
  }
  const files = readdirSync(kept).sort();
  const modules = files.filter((file) => file.endsWith('.ko')).map((file) => join(kept, file));
  const image = files.find((file) => file.startsWith('vmlinuz-'));
  if (image === undefined) throw new CannotSetUp(`${kept} has no kernel; remove it, and run again`);
  return { release: image.slice('vmlinuz-'.length), image: join(kept, image), modules };
}

function unpack(kernel: Kernel, work: string, made: string): void {
  const tree = join(work, 'tree');
  mkdirSync(made);
  output('dpkg-deb', ['-x', downloadKernel(kernel.suite, work), tree]);
  const image = readdirSync(join(tree, 'boot')).find((file) => file.startsWith('vmlinuz-'));
  if (image === undefined) throw new CannotSetUp(`the package of kernel ${kernel.name} has no kernel`);
  copyFileSync(join(tree, 'boot', image), join(made, image));
  const library = existsSync(join(tree, 'usr/lib/modules')) ? 'usr/lib/modules' : 'lib/modules';
  const directory = join(tree, library, image.slice('vmlinuz-'.length));
  for (const [index, { name, bytes }] of modulesToLoad(directory, guestModules).entries()) {
    writeFileSync(join(made, `${String(index).padStart(2, '0')}-${name}.ko`), bytes);
  }
}
