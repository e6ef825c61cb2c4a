// `npm run test:helm [-- --json]`: renders the Helm chart with several sets of values, and checks every resource against the schemas of
// Kubernetes. Exit status 2: this machine cannot do it, and the last line says why.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { CannotSetUp } from '../setup/cached-folder.mjs';
import { environment } from './environment.mjs';

const EXIT_CANNOT_RUN = 2;
const root = path.resolve(import.meta.dirname, '../..');

function say(line) {
  console.error(`test:helm: ${line}`);
}

async function main() {
  const { helm, monitoring, python } = await environment(say);
  const program = path.join(import.meta.dirname, 'check_chart.py');
  const tools = ['--helm', helm, '--monitoring', monitoring, '--node', process.execPath, '--root', root];
  return spawnSync(python, [program, ...tools, ...process.argv.slice(2)], { stdio: 'inherit' }).status ?? 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof CannotSetUp)) throw error;
  say(`cannot run: ${error.message}`);
  process.exitCode = EXIT_CANNOT_RUN;
}
