// Adds to package-lock.json the optional packages of other platforms that `npm install` leaves out, with the hash of each
// (`integrity`) as the registry gives it. `npm ci` refuses a lock file without them on those platforms, and installs a package
// without a hash unchecked. Run it after every `npm install` that changes the lock file.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));

/** What the registry says of one version of a package. */
function published(name, version) {
  const fields = ['dist.integrity', 'os', 'cpu', 'libc', 'engines', 'license', 'bin'];
  const answer = execFileSync('npm', ['view', `${name}@${version}`, ...fields, '--json'], { encoding: 'utf8' });
  const { 'dist.integrity': integrity, ...described } = JSON.parse(answer);
  if (!integrity) throw new Error(`the registry has no hash for ${name}@${version}`);
  return { integrity, ...described };
}

/** The optional packages that the lock file names as dependencies and does not describe: `[place, version, wanted by]`. */
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
