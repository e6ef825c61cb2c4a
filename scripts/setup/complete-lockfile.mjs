// Adds to package-lock.json the optional platform packages (other systems' binaries) that `npm install` leaves out when
// the registry it ran against does not hold them; without the entries `npm ci` refuses the lock file everywhere.
// Run it after every `npm install` that changes the lock file. It changes nothing when nothing is missing.
import { readFileSync, writeFileSync } from 'node:fs';

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const systems = ['android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'aix', 'win32'];
const processors = ['arm64', 'arm', 'x64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32'];
let added = 0;

for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${path}/node_modules/${name}`;
    const hoisted = `node_modules/${name}`;
    if (lock.packages[nested] || lock.packages[hoisted] || !/^\d/.test(version)) continue;
    const words = name.split(/[/-]/);
    const os = systems.filter((system) => words.includes(system));
    const cpu = processors.filter((processor) => words.includes(processor));
    const libc = words.includes('musl') ? ['musl'] : undefined;
    lock.packages[hoisted] = {
      version,
      ...(cpu.length > 0 ? { cpu } : {}),
      dev: entry.dev,
      ...(libc ? { libc } : {}),
      optional: true,
      ...(os.length > 0 ? { os } : { os: ['none'] }),
    };
    added += 1;
  }
}

for (const entry of Object.values(lock.packages)) delete entry.resolved;
const [root, ...rest] = Object.entries(lock.packages);
lock.packages = Object.fromEntries([root, ...rest.sort(([a], [b]) => (a < b ? -1 : 1))]);
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
console.log(`package-lock.json: ${added} platform packages added`);
