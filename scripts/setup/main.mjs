// Makes a fresh clone ready to run, and does nothing when the clone is ready. `npm run demo` and `npm test` call this script
// first, so it uses only what comes with Node. It prints to stderr, because stdout belongs to the command that follows.
//
//   node scripts/setup/main.mjs            runs all steps; fails without npm packages or dist/, but not without the native addon
//   node scripts/setup/main.mjs STEP...    runs only these steps; fails when one of them fails
//   node scripts/setup/main.mjs --tests    runs all steps, and installs the programs that only tests need
//   node scripts/setup/main.mjs --browser  runs all steps, and installs the browser for the tests of the inspector's page
//   node scripts/setup/main.mjs --chaos    runs all steps, and installs what only the chaos run needs
//   node scripts/setup/main.mjs --rdma     runs all steps, and installs what boots a machine with an RDMA device
import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { compileTypeScript } from './compile.mjs';
import { withLock } from './lock.mjs';
import { buildNativeAddon, planNativeAddon } from './native-addon.mjs';
import { installNpmPackages, planNpmPackages } from './npm-packages.mjs';
import { say } from './report.mjs';
import { installSystemPackages, planSystemPackages } from './system-packages.mjs';

/**
 * `plan` resolves to what the step will install, or to undefined if nothing is to do. `run` resolves to true if the result of
 * the step exists. Nothing works without the result of a `required` step.
 */
const STEPS = {
  system: { plan: planSystemPackages, run: installSystemPackages, required: false },
  packages: { plan: planNpmPackages, run: installNpmPackages, required: true },
  native: { plan: planNativeAddon, run: buildNativeAddon, required: false },
  build: { plan: () => undefined, run: compileTypeScript, required: true },
};

const root = fileURLToPath(new URL('../..', import.meta.url));
const words = process.argv.slice(2);
/** What is wanted beyond what every command needs: `tests`, `browser`, `chaos`, `rdma`. */
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
  const steps = Object.entries(STEPS).filter(([name]) => asked.length === 0 || asked.includes(name));
  return withLock(root, async () => {
    await announce(steps.map(([, step]) => step));
    for (const [, step] of steps) {
      const ready = await step.run(root, { also });
      if (!ready && (step.required || asked.length > 0)) return 1;
    }
    return 0;
  });
}

/** Says what will change on this machine, before anything does. */
async function announce(steps) {
  const plans = await Promise.all(steps.map((step) => step.plan(root, { also })));
  const some = plans.filter((plan) => plan !== undefined);
  if (some.length > 0) say(`about to ${some.join('; ')}`);
}

process.exitCode = await main();
