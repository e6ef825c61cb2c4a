// Runs before `npm pack`: puts compiled addons into prebuilds/, that of this machine, and that for the other processor if there is
// a compiler for it.
import { copyFileSync, cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { digestOf, listFiles, readStamp, writeStamp } from '../setup/digest.mjs';
import { findProgram, libfabricFact, nativeAddonFile } from '../setup/machine.mjs';
import { nodeDirArguments } from '../setup/node-headers.mjs';
import { begin, say, showDetails } from '../setup/report.mjs';
import { run } from '../setup/run.mjs';

const root = path.resolve(import.meta.dirname, '../..');
/** node-gyp-build takes an addon with this name on systems with glibc, for every version of Node: it uses Node-API only. */
const ADDON = 'node.napi.glibc.node';
/** The names of GNU compilers for each processor, as Debian has them. */
const COMPILERS = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

const prebuildOf = (processor) => path.join(root, 'prebuilds', `linux-${processor}`, ADDON);

function bring(addon, processor) {
  mkdirSync(path.dirname(prebuildOf(processor)), { recursive: true });
  copyFileSync(addon, prebuildOf(processor));
}

/** Resolves to the addon for another processor, in a folder of its own. Undefined when it cannot be compiled. */
async function crossCompile(processor) {
  const name = COMPILERS[processor];
  const home = path.join(root, 'build', `cross-${processor}`);
  const addon = path.join(home, 'build/Release/kvferry_native.node');
  const stampFile = path.join(home, '.kvferry-native');
  const digest = digestOf(
    root,
    [...listFiles(root, 'binding.gyp'), ...listFiles(root, 'src/native/cc')],
    [process.versions.modules, libfabricFact()],
  );
  if (readStamp(stampFile) === digest) return addon;
  const end = begin(`compiling the native addon for ${processor}`);
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  cpSync(path.join(root, 'src/native/cc'), path.join(home, 'src/native/cc'), { recursive: true });
  for (const file of ['binding.gyp', 'package.json']) copyFileSync(path.join(root, file), path.join(home, file));
  symlinkSync(path.join(root, 'node_modules'), path.join(home, 'node_modules'));
  const nodeGyp = path.join(root, 'node_modules/node-gyp/bin/node-gyp.js');
  const tools = { CC: `${name}-gcc`, CXX: `${name}-g++`, LINK: `${name}-g++`, AR: `${name}-ar` };
  const words = ['rebuild', '--jobs=max', '--loglevel=error', `--arch=${processor}`, ...nodeDirArguments()];
  const result = await run(process.execPath, [nodeGyp, ...words], { cwd: home, env: { ...process.env, ...tools } });
  if (result.ok) {
    end();
    writeStamp(stampFile, digest);
    return addon;
  }
  end('failed');
  showDetails(result.output);
  return undefined;
}

async function writePrebuilds() {
  rmSync(path.join(root, 'prebuilds'), { recursive: true, force: true });
  bring(nativeAddonFile(root), process.arch);
  for (const [processor, name] of Object.entries(COMPILERS)) {
    if (processor === process.arch) continue;
    const addon = findProgram(`${name}-g++`) === undefined ? undefined : await crossCompile(processor);
    if (addon === undefined) say(`the package has no addon for ${processor}: installing it there compiles one`);
    else bring(addon, processor);
  }
}

await writePrebuilds();
