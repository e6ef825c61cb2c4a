// Reads the output of a command that ran with `--json`. Fails unless the summary in its last line keeps the command's promises.
//
//   node scripts/ci/check-summary.mjs demo|sim|explore|chaos|bench < OUTPUT
import { readFileSync } from 'node:fs';
import process from 'node:process';

const promises = {
  demo: ({ requests, ready, mismatches, leakedPages, deduplicated }) => ({
    'requests > 0': requests > 0,
    'ready == requests': ready === requests,
    'mismatches == 0': mismatches === 0,
    'leakedPages == 0': leakedPages === 0,
    'deduplicated > 0': deduplicated > 0,
  }),
  sim: ({ seeds, requests, terminal, faults, violations }) => ({
    'seeds > 0': seeds > 0,
    'every request has an end': Object.values(terminal).reduce((sum, count) => sum + count, 0) === requests,
    'every kind of fault > 0': Object.keys(faults).length >= 18 && Object.values(faults).every((count) => count > 0),
    'violations == 0': violations === 0,
  }),
  explore: ({ states, violations }) => ({
    'states >= 100,000': states >= 100_000,
    'violations == 0': violations === 0,
  }),
  bench: ({ suites, targets, wrongChunks }) => ({
    'every suite has rows': Object.values(suites).every(({ rows }) => rows.length > 0),
    'wrongChunks == 0': wrongChunks === 0,
    'targets were measured': targets.length >= 10,
    'no figure beyond its limit': targets.every(({ withinLimit }) => withinLimit),
  }),
  chaos: ({ kills, requests, wrongBytes, lostPages, withoutEnd, zombieWritesRejected, limitsBroken }) => ({
    'kills >= 60': kills >= 60,
    'requests > 0': requests > 0,
    'wrongBytes == 0': wrongBytes === 0,
    'lostPages == 0': lostPages === 0,
    'withoutEnd == 0': withoutEnd === 0,
    'zombieWritesRejected >= 5': zombieWritesRejected >= 5,
    'no limit broken': limitsBroken.length === 0,
  }),
};

const [command] = process.argv.slice(2);
const lines = readFileSync(0, 'utf8').trimEnd().split('\n');
const summary = lines.at(-1);
console.log(summary);

const wanted = promises[command](JSON.parse(summary));
const broken = Object.keys(wanted).filter((name) => !wanted[name]);
if (broken.length > 0) {
  console.error(`${command} broke its promises: ${broken.join(', ')}`);
  process.exitCode = 1;
}
