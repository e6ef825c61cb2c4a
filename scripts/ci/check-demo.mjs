// Reads what `kvferry demo --json` printed and fails unless its last line says that every request came through unharmed.
import { readFileSync } from 'node:fs';
import process from 'node:process';

const lines = readFileSync(0, 'utf8').trimEnd().split('\n');
const summary = lines.at(-1);
console.log(summary);

const { requests, ready, mismatches, leakedPages, deduplicated } = JSON.parse(summary);
const wanted = {
  'requests > 0': requests > 0,
  'ready == requests': ready === requests,
  'mismatches == 0': mismatches === 0,
  'leakedPages == 0': leakedPages === 0,
  'deduplicated > 0': deduplicated > 0,
};
const broken = Object.keys(wanted).filter((name) => !wanted[name]);
if (broken.length > 0) {
  console.error(`the demo did not do what it promises: ${broken.join(', ')}`);
  process.exitCode = 1;
}
