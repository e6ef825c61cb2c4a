// Fails when this machine lacks something that set-up provides, because tests that need it were skipped.
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { nativeAddonFile, systemNeeds } from '../setup/machine.mjs';

const root = path.resolve(import.meta.dirname, '../..');
const lacking = systemNeeds()
  // `npm run test:rdma` fails by itself without what it needs.
  .filter((need) => !need.present && need.onlyFor !== 'rdma')
  .map((need) => need.name);
if (!existsSync(nativeAddonFile(root))) lacking.push('the native addon');
if (lacking.length > 0) {
  console.error(
    `missing on this machine, so that tests were skipped: ${lacking.join(', ')}; run npm run setup -- --tests --browser`,
  );
  process.exitCode = 1;
}
