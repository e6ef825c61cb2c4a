/**
 * `npm run sbom`: prints a CycloneDX document of every package that an installation can get. npm makes it, in a folder without
 * the packages of development: `npm sbom --omit dev` leaves out what both need (npm 11.19.1).
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runIn } from './npm.js';
import { lockFile, runtimeLock } from './runtime-lock.js';

const NAME = 'kvferry';

const { manifest, own, packages } = runtimeLock(process.cwd());
const home = mkdtempSync(join(tmpdir(), 'kvferry-sbom-'));
// npm names the document after the folder.
const folder = join(home, NAME);
try {
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'package-lock.json'), lockFile({ name: NAME, own, packages }));
  const words = ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--package-lock-only'];
  process.stdout.write(await runIn(folder, 'npm', words));
} finally {
  rmSync(home, { recursive: true });
}
