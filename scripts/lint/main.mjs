// `npm run lint` runs this script after Biome and knip. It checks the house rules that neither of them can express.
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { complaints, readIn } from './check-rooms.mjs';
import { complaintsAboutBytes, complaintsAboutSizes } from './file-sizes.mjs';
import { complaintsAboutPurity } from './purity.mjs';
import { complaintsAboutTests } from './test-names.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
});
const removed = new Set(execFileSync('git', ['ls-files', '--deleted'], { cwd: root, encoding: 'utf8' }).split('\n'));
const files = listed.split('\n').filter((file) => file !== '' && !removed.has(file));

const read = readIn(root);
const found = [
  ...complaints(files, read),
  ...complaintsAboutSizes(files, read),
  ...complaintsAboutBytes(files, (file) => statSync(path.join(root, file)).size),
  ...complaintsAboutPurity(files, read),
  ...complaintsAboutTests(files, read),
];
for (const complaint of found) console.error(complaint);
process.exitCode = found.length > 0 ? 1 : 0;
