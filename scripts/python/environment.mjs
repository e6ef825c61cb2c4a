// The virtual environment of the tests of the Python client: one for each list of packages and version of Python.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { cachedFolder, must } from '../setup/cached-folder.mjs';

/** Prints the version. Fails when there is no `venv`, which Debian has in a package of its own. */
const PROBE = 'import ensurepip, sys, venv; print("%d.%d.%d" % sys.version_info[:3])';
const MINOR_MIN = 10;

/** The Python that runs the tests: `KVFERRY_PYTHON` if it is set, otherwise `python3`. Or the reason why there is none. */
export function findPython() {
  const command = process.env.KVFERRY_PYTHON ?? 'python3';
  const { error, status, stdout, stderr } = spawnSync(command, ['-c', PROBE], { encoding: 'utf8' });
  if (error !== undefined)
    return { reason: `${command} is not installed (Debian: apt-get install python3 python3-venv)` };
  if (status !== 0) {
    return {
      reason: `${command} has no venv (Debian: apt-get install python3-venv): ${stderr.trim().split('\n').at(-1)}`,
    };
  }
  const version = stdout.trim();
  const [major, minor] = version.split('.').map(Number);
  if (major !== 3 || minor < MINOR_MIN)
    return { reason: `${command} is Python ${version}, and 3.${MINOR_MIN} is needed` };
  return { command, version };
}

/** The Python of the environment, and the folder for the caches of its tools. Installs the packages when that is new. */
export async function environment({ command, version }, requirements) {
  const folder = await cachedFolder({
    prefix: `python-${version}`,
    ingredients: [requirements],
    maker: 'npm run test:python',
    make: (work) => make(work, command, requirements),
  });
  return { python: path.join(folder, 'bin/python'), cache: path.join(folder, 'caches') };
}

async function make(work, command, requirements) {
  console.error(`test:python: installing ${path.basename(requirements)}, the first time only`);
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements];
  await must(command, ['-m', 'venv', work]);
  await must(path.join(work, 'bin/python'), install);
}
