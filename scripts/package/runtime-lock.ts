/** package.json and package-lock.json without what only development needs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

type Entry = Readonly<Record<string, unknown>>;
type Packages = Readonly<Record<string, Entry>>;

/** `packages`: the entries of the lock file, by place. `own`: the entry of the package itself. */
export function runtimeLock(root: string): {
  readonly manifest: Entry;
  readonly own: Entry;
  readonly packages: Packages;
} {
  const read = (name: string) => JSON.parse(readFileSync(join(root, name), 'utf8')) as Entry;
  const locked = read('package-lock.json')['packages'] as Packages;
  const packages = Object.fromEntries(
    Object.entries(locked)
      .filter(([place, { dev }]) => place !== '' && dev !== true)
      // Development needs it too.
      .map(([place, { devOptional, ...entry }]) => [
        place,
        devOptional === true ? { ...entry, optional: true } : entry,
      ]),
  );
  return { manifest: withoutDevelopment(read('package.json')), own: withoutDevelopment(locked[''] ?? {}), packages };
}

/** The text of a lock file for a folder. `own`: the entry of the package that is there. */
export function lockFile({
  name,
  own,
  packages,
}: {
  readonly name: string;
  readonly own: Entry;
  readonly packages: Packages;
}) {
  return JSON.stringify({ name, lockfileVersion: 3, requires: true, packages: { '': own, ...packages } });
}

function withoutDevelopment({ devDependencies: _, ...others }: Entry): Entry {
  return others;
}
