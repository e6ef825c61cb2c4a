// `npm install` leaves the optional packages of other platforms out of package-lock.json. This script adds them, each with its
// hash from the registry (`integrity`). On those platforms `npm ci` refuses a lock file without them, and it installs a package
// without a hash unchecked. Run this script after every `npm install` that changes the lock file.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));

/** The registry's description of one version of a package. */
function published(name, version) {
  const fields = ['dist.integrity', 'os', 'cpu', 'libc', 'engines', 'license', 'bin'];
  const answer = execFileSync('npm', ['view', `${name}@${version}`, ...fields, '--json'], { encoding: 'utf8' });
  const { 'dist.integrity': integrity, ...described } = JSON.parse(answer);
  if (!integrity) throw new Error(`the registry has no hash for ${name}@${version}`);
  return { integrity, ...described };
}

/** Optional packages that the lock file names only as dependencies: `[place, version, entry that depends on it]`. */
function missingEntries() {
  return Object.entries(lock.packages).flatMap(([place, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .map(([name, version]) => [name, version, `${place}/node_modules/${name}`, `node_modules/${name}`])
      .filter(
        ([, version, nested, hoisted]) => /^\d/.test(version) && !lock.packages[nested] && !lock.packages[hoisted],
      )
      .map(([, version, , hoisted]) => [hoisted, version, entry]),
  );
}

let completed = 0;
for (const [place, version, { dev }] of missingEntries()) {
  lock.packages[place] = { version, ...(dev ? { dev } : {}), optional: true };
}
for (const [place, entry] of Object.entries(lock.packages)) {
  delete entry.resolved;
  if (place === '' || entry.link || entry.integrity) continue;
  const name = place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
  Object.assign(entry, published(name, entry.version));
  completed += 1;
}

const [root, ...rest] = Object.entries(lock.packages);
lock.packages = Object.fromEntries([root, ...rest.sort(([a], [b]) => (a < b ? -1 : 1))]);
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
console.log(`package-lock.json: ${completed} entries completed`);
