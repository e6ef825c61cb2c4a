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
  // Optional packages are the binaries for other systems: npm leaves them out.
  const complete = Object.entries(locked).every(
    ([name, entry]) => name === '' || entry.optional || entry.devOptional || name in installed,
  );
  return sameVersions && complete;
}

/** The npm that runs this script. If another package manager runs it, the npm on the path. */
function npmCommand() {
  const running = process.env.npm_execpath;
  if (running && path.basename(running) === 'npm-cli.js') return [process.execPath, running];
  const found = findProgram('npm');
  return found === undefined ? undefined : [found];
}

export async function installNpmPackages(root) {
  const stampFile = path.join(root, 'node_modules/.kvferry-lock');
  const digest = digestOf(root, ['package-lock.json']);
  if (readStamp(stampFile) === digest) return true;
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
  // No package's own scripts: nothing may be downloaded or built behind the lock file's back. Development packages are
  // asked for by name, because NODE_ENV=production would leave them out.
  const args = ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund'];
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
