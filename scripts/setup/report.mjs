// What set-up says: one line for each step that really did something, details only when it failed.
import process from 'node:process';

const DETAIL_LINES_FIRST = 25;
const DETAIL_LINES_LAST = 25;

export function say(line) {
  process.stderr.write(`set-up: ${line}\n`);
}

/** Says that a long step runs; the function it returns ends the line with how it went. */
export function begin(what) {
  const started = process.hrtime.bigint();
  process.stderr.write(`set-up: ${what} … `);
  return (outcome = 'done') => {
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    process.stderr.write(`${outcome} (${seconds.toFixed(1)} s)\n`);
  };
}

/** A failed command's output without its middle: compilers name the cause first, package managers last. */
export function showDetails(output) {
  const lines = output.trimEnd().split('\n');
  const left = lines.length - DETAIL_LINES_FIRST - DETAIL_LINES_LAST;
  if (left > 0) lines.splice(DETAIL_LINES_FIRST, left, `(${left} lines left out)`);
  for (const line of lines) process.stderr.write(`    ${line}\n`);
}
