/** `npm run bench`: measures kvferry, and baselines and peers beside it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { benchCommand } from './command.js';
import { renderRows } from './render-rows.js';
import { runBench } from './run-bench.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const EXIT_FAILURE = 1;

const say = (line: string) => void process.stderr.write(`${line}\n`);

await benchCommand(async ({ json, output, ...options }, command) => {
  const report = await runBench({ ...options, command, root: ROOT }, say);
  if (!json) for (const line of renderRows(report)) process.stdout.write(`${line}\n`);
  if (output !== undefined) {
    mkdirSync(dirname(output), { recursive: true });
    writeFileSync(output, `${JSON.stringify(report, null, 1)}\n`);
  }
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
  const broken = report.targets.filter(({ withinLimit }) => !withinLimit);
  for (const { name, value, limit } of broken) say(`beyond its limit: ${name} is ${value}, the limit is ${limit}`);
  if (broken.length > 0 || report.wrongChunks > 0) process.exitCode = EXIT_FAILURE;
})
  .parseAsync()
  .catch((error: unknown) => {
    say(`bench: ${error instanceof Error ? error.message : String(error)}`);
    // All processes and files are removed. An interrupted suite must not continue.
    process.exit(EXIT_FAILURE);
  });
