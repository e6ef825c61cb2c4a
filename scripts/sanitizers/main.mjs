// The native code under the sanitizers of gcc: `npm run test:sanitizers`. It works in build/sanitizers, so the addon in build/
// stays. Each part runs alone when it is named: `npm run test:sanitizers -- threads`.
//
//   addresses  AddressSanitizer and UndefinedBehaviorSanitizer: the addon in Node, with the tests that stress it
//   threads    ThreadSanitizer: the transports without Node, which no sanitizer knows, in a driver that makes random calls
//
// No report is suppressed. Leaks are not looked for, because Node itself leaks when it ends.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { checkAddresses } from './addresses.mjs';
import { checkThreads } from './threads.mjs';

const PARTS = { addresses: checkAddresses, threads: checkThreads };

const root = fileURLToPath(new URL('../..', import.meta.url));
const words = process.argv.slice(2);
const asked = words.filter((word) => word !== '--json');
const unknown = asked.filter((word) => !(word in PARTS));
if (unknown.length > 0)
  throw new Error(`unknown part ${unknown.join(', ')}: the parts are ${Object.keys(PARTS).join(', ')}`);

const folder = path.join(root, 'build/sanitizers');
mkdirSync(folder, { recursive: true });
const results = {};
for (const [name, check] of Object.entries(PARTS)) {
  if (asked.length === 0 || asked.includes(name)) results[name] = await check(root, folder);
}
const passed = Object.values(results).every((result) => result.passed);
process.stdout.write(words.includes('--json') ? `${JSON.stringify({ passed, ...results })}\n` : '');
process.exitCode = passed ? 0 : 1;
