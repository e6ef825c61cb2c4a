// Runs `npm ci` when node_modules does not match package-lock.json.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { digestOf, readStamp, writeStamp } from './digest.mjs';
import { findProgram } from './machine.mjs';
import { begin, say, showDetails } from './report.mjs';
import { run } from './run.mjs';

/** Compares npm's record of node_modules with the lock file. True after `npm ci` and after `npm install`. */
function holdsWhatIsLocked(root) {
  const recordFile = path.join(root, 'node_modules/.package-lock.json');
  if (!existsSync(recordFile)) return false;
  const read = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;
  const installed = read(recordFile);
  const locked = read(path.join(root, 'package-lock.json'));
  const sameVersions = Object.entries(installed).every(([name, entry]) => locked[name]?.version === entry.version);
  // npm leaves out optional packages that are binaries for other systems. Those that package.json names are for this one.
  const { dependencies, devDependencies, optionalDependencies } = locked[''];
  const named = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
  const complete = Object.entries(locked).every(
    ([name, entry]) => name === '' || entry.optional || entry.devOptional || name in installed,
  );
  return sameVersions && complete && named.every((name) => `node_modules/${name}` in installed);
}

/** The npm that runs this script. If another package manager runs it, the npm on the path. */
function npmCommand() {
  const running = process.env.npm_execpath;
  if (running && path.basename(running) === 'npm-cli.js') return [process.execPath, running];
  const found = findProgram('npm');
  return found === undefined ? undefined : [found];
}

const stampFileOf = (root) => path.join(root, 'node_modules/.kvferry-lock');
const lockDigest = (root) => digestOf(root, ['package-lock.json']);
const isStamped = (root) => readStamp(stampFileOf(root)) === lockDigest(root);

export function planNpmPackages(root) {
  return isStamped(root) || holdsWhatIsLocked(root)
    ? undefined
    : 'install the npm packages of package-lock.json into node_modules';
}

export async function installNpmPackages(root) {
  if (isStamped(root)) return true;
  const stampFile = stampFileOf(root);
  const digest = lockDigest(root);
  if (holdsWhatIsLocked(root)) {
    writeStamp(stampFile, digest);
    return true;
  }

  const npm = npmCommand();
  if (npm === undefined) {
    say('npm is missing; install Node with npm');
    return false;
  }
  const end = begin('installing npm packages');
  // Install scripts of packages could download or build things that the lock file does not cover, so npm must ignore them.
  // The flags `--include` are necessary because NODE_ENV=production, or a setting of npm, would leave out these packages.
  const args = ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  const result = await run(npm[0], [...npm.slice(1), ...args], { cwd: root });
  if (!result.ok) {
    end('failed');
    showDetails(result.output);
    return false;
  }
  writeStamp(stampFile, digest);
  end();
  return true;
}
