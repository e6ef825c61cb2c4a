// Prints the progress of set-up: one line for each step that did something, and details only for a step that failed.
import process from 'node:process';

const DETAIL_LINES_FIRST = 25;
const DETAIL_LINES_LAST = 25;

export function say(line) {
  process.stderr.write(`set-up: ${line}\n`);
}

/** Prints that a long step begins. The returned function ends the line with the outcome and the time. */
export function begin(what) {
  const started = process.hrtime.bigint();
  process.stderr.write(`set-up: ${what} … `);
  return (outcome = 'done') => {
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    process.stderr.write(`${outcome} (${seconds.toFixed(1)} s)\n`);
  };
}

/** Prints the first and last lines of a failed command. Compilers name the cause first, package managers last. */
export function showDetails(output) {
  const lines = output.trimEnd().split('\n');
  const left = lines.length - DETAIL_LINES_FIRST - DETAIL_LINES_LAST;
  if (left > 0) lines.splice(DETAIL_LINES_FIRST, left, `(${left} lines left out)`);
  for (const line of lines) process.stderr.write(`    ${line}\n`);
}
