// Checks the Python client (clients/python): ruff, mypy and its tests; and what drives vLLM (test/vllm): ruff and mypy. The tools
// are pinned, in a virtual environment that is kept in ~/.cache/kvferry. Exit status 2: this machine has no Python that can do it.
//
//   npm run test:python -- [arguments of pytest]
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { environment, findPython } from './environment.mjs';

const EXIT_CANNOT_RUN = 2;
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = path.join(root, 'clients/python');

const found = findPython();
if (found.reason !== undefined) {
  console.error(`test:python cannot run: ${found.reason}`);
  process.exit(EXIT_CANNOT_RUN);
}
const { python, cache } = await environment(found, path.join(folder, 'tests/requirements.txt'));

const vllm = ['../../test/vllm', '../../scripts/vllm', '../../scripts/lmcache', '../../bench/vllm'];
const settings = path.join(root, 'test/vllm/pyproject.toml');
const steps = [
  ['ruff', 'check', '--cache-dir', path.join(cache, 'ruff'), '--config', settings, ...vllm],
  ['ruff', 'format', '--check', '--cache-dir', path.join(cache, 'ruff'), '--config', settings, ...vllm],
  ['mypy', '--cache-dir', path.join(cache, 'mypy-vllm'), '--config-file', settings, ...vllm],
  ['ruff', 'check', '--cache-dir', path.join(cache, 'ruff')],
  ['ruff', 'format', '--check', '--cache-dir', path.join(cache, 'ruff')],
  ['mypy', '--cache-dir', path.join(cache, 'mypy')],
  ['pytest', '-p', 'no:cacheprovider', ...process.argv.slice(2)],
];
const env = {
  ...process.env,
  PYTHONDONTWRITEBYTECODE: '1',
  // Set-up has built the agents and installed nats-server, so a test without them is a failure.
  KVFERRY_REQUIRE_AGENTS: '1',
};
for (const step of steps) {
  const { status } = spawnSync(python, ['-m', ...step], { cwd: folder, env, stdio: 'inherit' });
  if (status !== 0) {
    console.error(`test:python: ${step[0]} failed`);
    process.exit(1);
  }
}
