/** The modules of a kernel, found by what each file says that it needs. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CannotSetUp } from '../debian/cannot-set-up.js';
import { output } from '../debian/command.js';

export interface KernelModule {
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * These modules and those that they need, in the order in which they can be loaded. `directory` has the modules of one kernel.
 * Throws `CannotSetUp` when the kernel has one of them neither as a module nor built in.
 */
export function modulesToLoad(directory: string, names: readonly string[]): KernelModule[] {
  const files = new Map(findModules(directory).map((file) => [moduleName(file), join(directory, file)]));
  const builtIn = new Set(readFileSync(join(directory, 'modules.builtin'), 'utf8').trim().split('\n').map(moduleName));
  const found = new Map<string, KernelModule>();
  const add = (name: string) => {
    if (found.has(name) || builtIn.has(name)) return;
    const file = files.get(name);
    if (file === undefined) throw new CannotSetUp(`the kernel in ${directory} has no module ${name}`);
    const bytes = file.endsWith('.xz') ? output('xz', ['-dc', file]) : readFileSync(file);
    for (const needed of neededBy(bytes)) add(needed);
    found.set(name, { name, bytes });
  };
  for (const name of names) add(name);
  return [...found.values()];
}

function findModules(directory: string): string[] {
  const entries = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return entries.filter((entry) => /\.ko(\.xz)?$/.test(entry));
}

/** As the kernel calls it: a file may have hyphens. */
function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\.xz)?$/, '')
    .replaceAll('-', '_');
}

/** A module has its facts as strings, each ended by a zero byte. */
function neededBy(bytes: Buffer): string[] {
  const depends = /\0depends=([^\0]*)\0/.exec(bytes.toString('latin1'))?.[1] ?? '';
  return depends
    .split(',')
    .filter((name) => name !== '')
    .map(moduleName);
}
