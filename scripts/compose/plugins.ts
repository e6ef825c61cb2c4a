/** Compose and buildx for the client: those of this host, or Debian's packages, unpacked into a directory of our own. */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Archive } from '../debian/archive.js';
import { output } from '../debian/command.js';
import { runProgram } from './run-program.js';

/** The first suite that has Compose 2. Its packages are single programs, which also run on older suites. */
const SUITE = 'trixie';
const PACKAGES: Readonly<Record<string, string>> = { compose: 'docker-compose', buildx: 'docker-buildx' };

/** Makes `configuration` a directory for DOCKER_CONFIG with which `docker compose` and `docker buildx` work. */
export async function installPlugins(configuration: string, say: (line: string) => void): Promise<void> {
  const plugins = join(configuration, 'cli-plugins');
  mkdirSync(plugins, { recursive: true });
  const wanted: string[] = [];
  for (const [plugin, name] of Object.entries(PACKAGES)) {
    const env = { ...process.env, DOCKER_CONFIG: configuration };
    const { status } = await runProgram('docker', [plugin, 'version'], { env });
    if (status !== 0) wanted.push(name);
  }
  if (wanted.length === 0) return;
  say(`downloading ${wanted.join(' and ')} of Debian ${SUITE}`);
  const work = mkdtempSync(join(configuration, 'work-'));
  try {
    const archive = new Archive(SUITE, work);
    const tree = join(work, 'tree');
    for (const name of wanted) output('dpkg-deb', ['-x', archive.download(name), tree]);
    const unpacked = join(tree, 'usr/libexec/docker/cli-plugins');
    for (const file of readdirSync(unpacked)) {
      copyFileSync(join(unpacked, file), join(plugins, file));
      chmodSync(join(plugins, file), 0o755);
    }
  } finally {
    rmSync(work, { recursive: true });
  }
}
