// Runs once before the tests: says what this machine lacks, so that a skipped test is never a surprise.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { nativeAddonFile, systemNeeds } from '../../scripts/setup/machine.mjs';

export function setup() {
  const root = path.resolve(import.meta.dirname, '../..');
  // The browser's tests are not among these.
  const lacking = systemNeeds().filter((need) => !need.present && !need.toBuild && need.onlyFor !== 'browser');
  for (const { name, purpose } of lacking) {
    console.log(`Not on this machine: ${name}, for ${purpose}. Tests that need it are skipped; see \`npm run setup\`.`);
  }
  if (!existsSync(nativeAddonFile(root))) {
    console.log('The native addon is not built. Tests that need it are skipped; see `npm run build:native`.');
  }
}
