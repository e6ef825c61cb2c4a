// Builds the native addon when its sources or the headers that it includes have changed.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { digestOf, listFiles, readStamp, writeStamp } from './digest.mjs';
import { libfabricFact, nativeAddonFile, systemNeeds } from './machine.mjs';
import { nodeDirArguments } from './node-headers.mjs';
import { begin, say, showDetails } from './report.mjs';
import { run } from './run.mjs';

const WITHOUT_IT = 'tests and commands that move real bytes cannot run, all others can';

function currentDigest(root) {
  const versionOf = (name) => JSON.parse(readFileSync(path.join(root, 'node_modules', name, 'package.json'))).version;
  return digestOf(
    root,
    [...listFiles(root, 'binding.gyp'), ...listFiles(root, 'src/native/cc')],
    [process.arch, process.versions.modules, versionOf('node-addon-api'), libfabricFact()],
  );
}

const stampFileOf = (root) => path.join(root, 'build/.kvferry-native');

function isBuilt(root) {
  return existsSync(nativeAddonFile(root)) && readStamp(stampFileOf(root)) === currentDigest(root);
}

export function planNativeAddon(root) {
  // The digest needs the npm packages. A machine without them has no addon that is up to date.
  const hasPackages = existsSync(path.join(root, 'node_modules/node-addon-api/package.json'));
  return hasPackages && isBuilt(root) ? undefined : 'compile the native addon into build';
}

export async function buildNativeAddon(root) {
  if (isBuilt(root)) return true;

  const missing = systemNeeds().filter((need) => need.toBuild && !need.present);
  if (missing.length > 0) {
    say(
      `the native addon was not built, because this machine has no ${missing.map((need) => need.name).join(', ')}: ${WITHOUT_IT}`,
    );
    return false;
  }

  // Of the sources before the build: one that is edited meanwhile must be compiled by the next run.
  const digest = currentDigest(root);
  const end = begin('building the native addon');
  const nodeGyp = path.join(root, 'node_modules/node-gyp/bin/node-gyp.js');
  let result = { ok: true, output: '' };
  // `rebuild` would empty build/ and compile everything. `build` lets make compile only the changed files.
  for (const command of [['configure'], ['build', '--jobs=max']]) {
    if (result.ok)
      result = await run(process.execPath, [nodeGyp, ...command, '--loglevel=error', ...nodeDirArguments()], {
        cwd: root,
      });
  }
  if (!result.ok) {
    end('failed');
    showDetails(result.output);
    say(`the native addon was not built: ${WITHOUT_IT}`);
    return false;
  }
  writeStamp(stampFileOf(root), digest);
  end();
  return true;
}
