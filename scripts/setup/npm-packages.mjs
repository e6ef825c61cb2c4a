// Runs `npm ci` when node_modules does not match package-lock.json.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { digestOf, readStamp, writeStamp } from './digest.mjs';
import { findProgram } from './machine.mjs';
import { begin, say, showDetails } from './report.mjs';
import { run } from './run.mjs';

/** The packages that package.json names and node_modules lacks. All of them are for this system. */
function missingPackages(root) {
  const { dependencies, devDependencies, optionalDependencies } = readPackages(root, 'package-lock.json')[''];
  const named = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
  return named.filter((name) => !existsSync(path.join(root, 'node_modules', name, 'package.json')));
}

function readPackages(root, file) {
  return JSON.parse(readFileSync(path.join(root, file), 'utf8')).packages;
}

/** Compares npm's record of node_modules with the lock file. True after `npm ci` and after `npm install`. */
function holdsWhatIsLocked(root) {
  const recordFile = 'node_modules/.package-lock.json';
  if (!existsSync(path.join(root, recordFile))) return false;
  const installed = readPackages(root, recordFile);
  const locked = readPackages(root, 'package-lock.json');
  const sameVersions = Object.entries(installed).every(([name, entry]) => locked[name]?.version === entry.version);
  // npm leaves out optional packages that are binaries for other systems.
  const complete = Object.entries(locked).every(
    ([name, entry]) => name === '' || entry.optional || entry.devOptional || name in installed,
  );
  return sameVersions && complete && missingPackages(root).length === 0;
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
  // npm ends well without an optional package that it could not download, or that wants another version of Node.
  const missing = missingPackages(root);
  if (missing.length > 0) {
    end('failed');
    say(
      `npm left out ${missing.join(', ')}; see why with: npm ci --ignore-scripts --include=optional --loglevel=verbose`,
    );
    return false;
  }
  writeStamp(stampFile, digest);
  end();
  return true;
}
