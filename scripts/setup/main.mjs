// Makes a fresh clone ready to run, and does nothing when the clone is ready. `npm run demo` and `npm test` call this script
// first, so it uses only what comes with Node. It prints to stderr, because stdout belongs to the command that follows.
//
//   node scripts/setup/main.mjs            runs all steps; fails without npm packages or dist/, but not without the native addon
//   node scripts/setup/main.mjs STEP...    runs only these steps; fails when one of them fails
//   node scripts/setup/main.mjs --tests    runs all steps, and installs the programs that only tests need
//   node scripts/setup/main.mjs --browser  runs all steps, and installs the browser for the tests of the inspector's page
import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { compileTypeScript } from './compile.mjs';
import { withLock } from './lock.mjs';
import { buildNativeAddon } from './native-addon.mjs';
import { installNpmPackages } from './npm-packages.mjs';
import { say } from './report.mjs';
import { installSystemPackages } from './system-packages.mjs';

/** Each step resolves to true when what it provides is there afterwards. `required`: nothing works without it. */
const STEPS = {
  system: { run: installSystemPackages, required: false },
  packages: { run: installNpmPackages, required: true },
  native: { run: buildNativeAddon, required: false },
  build: { run: compileTypeScript, required: true },
};

const root = fileURLToPath(new URL('../..', import.meta.url));
const words = process.argv.slice(2);
/** What is wanted beyond what every command needs: `tests`, `browser`. */
const also = words.filter((word) => word.startsWith('--')).map((word) => word.slice(2));
const asked = words.filter((word) => !word.startsWith('--'));

function requireNodeVersion() {
  const wanted = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).engines.node;
  const [major, minor] = wanted.match(/\d+/g).map(Number);
  const [ourMajor, ourMinor] = process.versions.node.split('.').map(Number);
  if (ourMajor > major || (ourMajor === major && ourMinor >= minor)) return true;
  say(`kvferry needs Node ${wanted}, but this is Node ${process.version}`);
  return false;
}

async function main() {
  const unknown = asked.filter((name) => !(name in STEPS));
  if (unknown.length > 0) {
    say(`unknown step ${unknown.join(', ')}; the steps are ${Object.keys(STEPS).join(', ')}`);
    return 2;
  }
  if (!requireNodeVersion()) return 1;
  return withLock(root, async () => {
    for (const [name, step] of Object.entries(STEPS)) {
      if (asked.length > 0 && !asked.includes(name)) continue;
      const ready = await step.run(root, { also });
      if (!ready && (step.required || asked.length > 0)) return 1;
    }
    return 0;
  });
}

process.exitCode = await main();
