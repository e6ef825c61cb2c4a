import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { brokenPromises } from '../../scripts/ci/summary-promises.mjs';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
/** Commands that only prepare, repair or write something. */
const notChecks = [
  'setup',
  'install',
  'prepack',
  'postpack',
  'build',
  'build:native',
  'format',
  'docs',
  'bench:docs',
  'recordings',
  'sbom',
];
/** One runs the tests once for every mutant (docs/mutants.md shows the last run); the other builds the addon twice more. */
const tooLong = ['mutants', 'test:sanitizers'];

test('CI runs every check that package.json has', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const run = read('.ci/run');
  const checks = Object.keys(scripts).filter((name) => !notChecks.includes(name) && !tooLong.includes(name));
  const missing = checks.filter(
    (name) => !new RegExp(`(npm (run (--silent )?)?|(summarised|possible) \\d+ )${name}( |$|\\n)`, 'm').test(run),
  );
  expect(checks).toContain('test:system');
  expect(missing).toEqual([]);
});

/** A summary of `npm run explore` that keeps every promise, but for `changes`. */
function explored(changes: object): object {
  const pairs = Object.fromEntries(Array.from({ length: 36 }, (_, index) => [`pair-${index}`, 1]));
  return { states: 0, worlds: 100, pairs, violations: 0, byWorld: { a: { complete: true } }, ...changes };
}

test.each<[string, object, string[]]>([
  ['explore', explored({ states: 999_999 }), []],
  [
    'explore',
    explored({
      states: 100_000,
      pairs: { 'loss-crash': 0 },
      byWorld: { a: { complete: true }, b: { complete: false } },
    }),
    ['states >= 500,000', 'every pair of fault kinds > 0', 'every world is complete'],
  ],
  ['test:helm', { renderings: 3, resources: 20, faults: 19, faultsFound: 18, broken: [] }, ['every fault is found']],
  [
    'test:hosts',
    {
      cases: 15,
      skipped: ['a slow link'],
      failed: 1,
      requests: 90,
      mismatches: 1,
      secondEnds: 0,
      attackConnections: 1_999,
      rssGrowthMiB: 51,
      broken: ['a request has wrong bytes'],
    },
    ['failed == 0', 'mismatches == 0', 'attackConnections >= 2,000', 'rssGrowthMiB <= 50', 'nothing is broken'],
  ],
  [
    'test:trust',
    {
      attacks: 90,
      refused: 88,
      succeeded: 1,
      demoUnderPermissions: true,
      demoRequests: 25,
      violations: 2,
      plantedHoles: 4,
      plantedFound: 3,
      broken: ['observer: subscribe to everything: 4 messages were received'],
    },
    [
      'every attack was refused',
      'succeeded == 0',
      'violations == 0',
      'every planted hole is found',
      'nothing is broken',
    ],
  ],
  [
    'test:compose',
    {
      up: true,
      requests: 700,
      mismatches: 0,
      recovered: false,
      agents: 6,
      panels: { withData: 9, all: 20 },
      leftovers: [],
      broken: ['scaled: 63 of 64 requests became ready'],
    },
    ['recovered', 'half of the panels have data', 'nothing is broken'],
  ],
  [
    'test:lmcache',
    {
      equalTokens: true,
      cachedTokens: [512, 0],
      cachedTokensOfUnknownPrompt: [0],
      cachedTokensWithoutAgent: [0],
      cachedTokensAfterRestart: [512],
    },
    ['every prompt was loaded'],
  ],
  [
    'test:vllm',
    {
      cases: 29,
      equalTokens: true,
      maxLogprobDiff: 1e-5,
      comparedExactly: 99,
      negativeControlDiffers: false,
      loaded: 170,
      recomputed: 12,
      deduplicated: 16,
      leakedPages: 1,
      failed: ['no NATS: it did not happen'],
    },
    [
      'maxLogprobDiff == 0',
      'comparedExactly >= 100',
      'negativeControlDiffers',
      'leakedPages == 0',
      'nothing has failed',
    ],
  ],
  [
    'test:package',
    {
      files: 900,
      prebuilt: ['linux-x64'],
      packages: 100,
      demo: { requests: 64, ready: 64, mismatches: 0, leakedPages: 0 },
      compiledDemo: { requests: 64, ready: 63, mismatches: 0, leakedPages: 0 },
      broken: ['dist/test/main.js is no part of the package'],
    },
    ['with a compiled addon too', 'nothing is broken'],
  ],
  [
    'test:rolling',
    {
      restarts: 8,
      natsRestarts: 6,
      requests: 900,
      ready: 899,
      lost: 1,
      wrongBytes: 0,
      twoEnds: 0,
      leakedPages: 2,
      violations: ['prompt-7 is lost'],
    },
    ['every request is ready', 'lost == 0', 'leakedPages == 0', 'violations == 0'],
  ],
  [
    'demo:vllm',
    { tokensEqual: true, routerTokensEqual: true, routerChunks: 126, chunks: 45, deduplicated: 0 },
    ['deduplicated > 0'],
  ],
  ['bench', { suites: {}, targets: [], wrongChunks: 0 }, ['suites >= 5', 'targets were measured']],
  [
    'sim',
    {
      seeds: 1,
      requests: 4,
      terminal: { ready: 4 },
      faults: {},
      rarestPair: { pair: 'a+b', seeds: 99 },
      demands: { ready: 1, readyOrExpired: 1, any: 2 },
      violations: 1,
    },
    [
      'seeds >= 2,000',
      'every kind of fault > 0',
      'every pair of kinds >= 100 seeds',
      'a third of the requests had to be ready',
      'violations == 0',
    ],
  ],
])('the summary of %s %j → broken: %j', (command, summary, broken) => {
  expect(brokenPromises(command, summary)).toEqual(broken);
});
