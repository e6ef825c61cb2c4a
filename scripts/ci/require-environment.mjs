// Fails when tests were skipped because the machine lacks something that set-up should have provided.
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { nativeAddonFile, systemNeeds } from '../setup/machine.mjs';

const root = path.resolve(import.meta.dirname, '../..');
const lacking = systemNeeds()
  .filter((need) => !need.present)
  .map((need) => need.name);
if (!existsSync(nativeAddonFile(root))) lacking.push('the native addon');
if (lacking.length > 0) {
  console.error(`missing here: ${lacking.join(', ')}`);
  process.exitCode = 1;
}
