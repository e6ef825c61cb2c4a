// Runs once before the tests. Prints what this machine lacks, so that the reason for a skipped test is known.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { nativeAddonFile, systemNeeds } from '../../scripts/setup/machine.mjs';

export function setup() {
  const root = path.resolve(import.meta.dirname, '../..');
  // The tests that need a browser or an RDMA device run separately (`npm run test:browser`, `npm run test:rdma`).
  const elsewhere = ['browser', 'rdma'];
  const lacking = systemNeeds().filter((need) => !need.present && !need.toBuild && !elsewhere.includes(need.onlyFor));
  for (const { name, purpose } of lacking) {
    console.log(
      `Missing on this machine: ${name}, for ${purpose}. Tests that need it are skipped; see \`npm run setup\`.`,
    );
  }
  if (!existsSync(nativeAddonFile(root))) {
    console.log('The native addon is not built. Tests that need it are skipped; see `npm run build:native`.');
  }
}
