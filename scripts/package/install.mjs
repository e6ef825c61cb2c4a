// Runs after `npm install` of the package. If no addon that comes with the package fits this machine, compiles one with npm's own
// node-gyp. Downloads nothing. Does not fail without an addon: most commands, routers and the client need none, and
// those that need it say how to build it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import { nodeDirArguments } from '../setup/node-headers.mjs';

const root = path.resolve(import.meta.dirname, '../..');
const require = createRequire(import.meta.url);

/** Whether a package is installed that only agents and commands need. */
function isInstalled(name) {
  try {
    require.resolve(name);
    return true;
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    return false;
  }
}

/** In a process of its own: an addon for another system may end it. */
function isThere() {
  const program = `require('node-gyp-build')(${JSON.stringify(root)})`;
  return spawnSync(process.execPath, ['-e', program], { cwd: root, stdio: 'ignore' }).status === 0;
}

function compile() {
  // npm names its own node-gyp to the scripts that it runs.
  const nodeGyp = process.env.npm_config_node_gyp;
  if (nodeGyp === undefined || !existsSync(nodeGyp)) {
    console.error('kvferry: npm does not name its node-gyp, so the native addon was not compiled');
    return;
  }
  const { status } = spawnSync(process.execPath, [nodeGyp, 'rebuild', '--jobs=max', ...nodeDirArguments()], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status === 0) return;
  console.error(
    'kvferry: the native addon was not compiled. Agents need it: install make, a compiler for C++20 and Python 3, then run `npm rebuild kvferry`',
  );
}

// Without them the package was installed for its client alone, which has no addon.
const needsAddon = isInstalled('node-gyp-build') && isInstalled('node-addon-api');
if (needsAddon && (process.env.npm_config_build_from_source === 'true' || !isThere())) compile();
