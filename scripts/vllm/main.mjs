// Runs vLLM on CPU with kvferry, in an environment that is made once and kept in ~/.cache/kvferry. Exit status 2: this machine cannot
// do it, and the last line says why.
//
//   npm run test:vllm -- [--json] [--only TEXT]    is a prompt's answer the same when prefill and decode are two servers?
//   npm run demo:vllm -- [--json]                  two OpenAI servers with their agents behind vllm-router
//   npm run bench -- --suite vllm                  the same prompts with kvferry, with vLLM's own connectors, and alone
//   node scripts/vllm/main.mjs setup               only makes the environment, and prints its folder
import { spawn } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { CannotSetUp } from '../setup/cached-folder.mjs';
import { environment, nixl } from './environment.mjs';

const EXIT_CANNOT_RUN = 2;
const root = path.resolve(import.meta.dirname, '../..');
const MODULES = { test: 'proof.main', demo: 'demo.main', bench: 'measure.main' };

/** Tests of the connector that need torch or vLLM, and no agent. `npm run test:python` skips them. */
const PARTS = ['test_connector.py', 'test_copying.py', 'test_counts.py'].map((file) =>
  path.join(root, 'clients/python/tests/vllm', file),
);
const PYTEST = ['pytest', '-q', '-c', '/dev/null', '--rootdir', root, '--noconftest', '-p', 'no:cacheprovider'];
const WITHOUT_PARTS = new Set(['--only', '--soak', '--help']);

const [what, ...args] = process.argv.slice(2);
const name = `${what}:vllm`;

function say(line) {
  console.error(`${name}: ${line}`);
}

/** The exit status of a Python module. An interrupt reaches it once, so that it ends everything that it has started. */
function ended(python, command, packages = []) {
  const own = ['test/vllm', 'scripts/vllm', 'bench/vllm', 'clients/python/src', 'clients/python'];
  const folders = [...own.map((folder) => path.join(root, folder)), ...packages];
  const env = { ...process.env, PYTHONPATH: folders.join(path.delimiter) };
  // In a process group of its own: the terminal's Ctrl-C reaches this process only.
  const child = spawn(python, ['-m', ...command], { env, stdio: 'inherit', detached: true });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill('SIGINT'));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (status) => resolve(status ?? 1));
  });
}

async function main() {
  const { python, models } = await environment(say);
  if (what === 'setup') {
    console.log(path.dirname(models));
    return 0;
  }
  if (what === 'test' && !args.some((word) => WITHOUT_PARTS.has(word))) {
    const status = await ended(python, [...PYTEST, ...PARTS]);
    if (status !== 0) return status;
  }
  const packages = what === 'bench' ? await nixl(python, say) : [];
  return ended(python, [MODULES[what], '--models', models, ...args], packages);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof CannotSetUp)) throw error;
  say(`cannot run: ${error.message}`);
  process.exitCode = EXIT_CANNOT_RUN;
}
