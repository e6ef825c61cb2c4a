// The virtual environment of the tests of the Python client. It is made once for each list of packages and version of Python.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import process from 'node:process';

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
export function environment({ command, version }, requirements) {
  const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const home = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'kvferry');
  const folder = path.join(home, `python-${version}-${digest}`);
  if (!existsSync(folder)) make(folder, command, requirements);
  return { python: path.join(folder, 'bin/python'), cache: path.join(folder, 'caches') };
}

function make(folder, command, requirements) {
  const home = path.dirname(folder);
  mkdirSync(home, { recursive: true });
  // Two runs at the same time make one each. The first one that is complete is kept.
  const work = mkdtempSync(path.join(home, 'python-work-'));
  console.error(`test:python: installing ${path.basename(requirements)} into ${folder}`);
  try {
    run(command, ['-m', 'venv', work]);
    run(path.join(work, 'bin/python'), [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '-r',
      requirements,
    ]);
    renameSync(work, folder);
  } catch (error) {
    rmSync(work, { recursive: true });
    if (!existsSync(folder)) throw error;
  }
}

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) throw new Error(`${command} ${args.slice(0, 3).join(' ')} failed`);
}
