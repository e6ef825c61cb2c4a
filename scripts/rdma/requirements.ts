/** What this host must have. Set-up has installed it before, where it may. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CannotSetUp } from '../debian/cannot-set-up.js';

/** As `scripts/setup/machine.mjs` describes a program or a library. */
interface Need {
  readonly name: string;
  readonly debian: string;
  readonly present: boolean;
  readonly onlyFor?: string;
}

/** Throws `CannotSetUp`. */
export async function requireHost(root: string): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    const here = `${process.platform} on ${process.arch}`;
    throw new CannotSetUp(`a guest runs the programs of its host, which must be linux on x64; this is ${here}`);
  }
  const machine = pathToFileURL(join(root, 'scripts/setup/machine.mjs')).href;
  const { systemNeeds } = (await import(machine)) as { systemNeeds(): readonly Need[] };
  const missing = systemNeeds().filter(({ present, onlyFor }) => !present && (onlyFor ?? 'rdma') === 'rdma');
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name).join(', ');
    const packages = missing.map(({ debian }) => debian).join(' ');
    throw new CannotSetUp(`missing: ${names}; run as root: apt-get install ${packages}`);
  }
  if (!existsSync(join(root, 'build/Release/kvferry_native.node'))) {
    throw new CannotSetUp('the native addon is not built; npm run build:native shows why');
  }
}
