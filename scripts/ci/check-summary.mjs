// Reads the output of a command that ran with `--json`. Fails unless the summary in its last line keeps the command's promises.
//
//   node scripts/ci/check-summary.mjs demo|sim|explore|test:helm|test:package|test:hosts|test:rdma|test:vllm|demo:vllm|test:lmcache|chaos|test:rolling|bench < OUTPUT
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { brokenPromises } from './summary-promises.mjs';

const [command] = process.argv.slice(2);
const lines = readFileSync(0, 'utf8').trimEnd().split('\n');
const summary = lines.at(-1);
console.log(summary);

const broken = brokenPromises(command, JSON.parse(summary));
if (broken.length > 0) {
  console.error(`${command} broke its promises: ${broken.join(', ')}`);
  process.exitCode = 1;
}
