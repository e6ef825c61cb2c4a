/** Runs tests on code with one mutant: those near its module first, and more as long as nothing finds it. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Mutant } from './mutant.js';
import { everyFolder, testsNear } from './near-tests.js';

/** A mutant that makes a run hang is found. */
const TIMEOUT_MS = { near: 300_000, related: 900_000, deep: 900_000 };
const CONFIG = 'test/proof/mutants/vitest.config.ts';

/** `near`: the tests of its room. `related`: every test that loads it. `deep`: more scenarios and more states than the tests have. */
export type Search = keyof typeof TIMEOUT_MS;

export interface Outcome {
  readonly id: string;
  /** The check that found the mutant: `file > test`. Undefined when none did. */
  readonly foundBy: string | undefined;
  readonly seconds: number;
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** `mutant` undefined: the shipped code, on which every check must pass. */
export async function checkMutant(
  root: string,
  mutant: Mutant | undefined,
  searches: readonly Search[],
): Promise<Outcome> {
  const startedMs = performance.now();
  let foundBy: string | undefined;
  for (const search of searches) foundBy ??= await run(root, mutant, search);
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  return { id: mutant?.id ?? '', foundBy, seconds };
}

async function run(root: string, mutant: Mutant | undefined, search: Search): Promise<string | undefined> {
  const directory = mkdtempSync(join(tmpdir(), 'kvferry-mutant-'));
  const output = join(directory, 'report.json');
  try {
    const args = ['vitest', ...testsOf(mutant, search), '--run', '--config', CONFIG];
    const reporting = ['--reporter=json', `--outputFile=${output}`];
    const env = { ...process.env, KVFERRY_MUTANT: mutant?.id ?? '', KVFERRY_DEEP: search === 'deep' ? '1' : '' };
    const status = await ended(root, [...args, ...reporting], env, TIMEOUT_MS[search]);
    if (status === 0) return undefined;
    return status === 'late' ? `${search}: no end within ${TIMEOUT_MS[search] / 1000} s` : failureIn(output, root);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The tests of one search, as `vitest` takes them. */
function testsOf(mutant: Mutant | undefined, search: Search): readonly string[] {
  if (search === 'deep') return [];
  if (search === 'near') return mutant === undefined ? everyFolder() : testsNear(mutant.module);
  return mutant === undefined ? [] : ['related', mutant.module];
}

function ended(
  cwd: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  timeoutMs: number,
): Promise<number | 'late'> {
  return new Promise((resolve, reject) => {
    const child = spawn('npx', args, { cwd, env, stdio: 'ignore', detached: true });
    const late = setTimeout(() => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      resolve('late');
    }, timeoutMs);
    child.on('error', reject);
    child.on('exit', (code) => {
      clearTimeout(late);
      resolve(code ?? 1);
    });
  });
}

function failureIn(output: string, root: string): string {
  const { testResults } = JSON.parse(readFileSync(output, 'utf8')) as Report;
  for (const { name, message, status, assertionResults } of testResults) {
    const file = name.replace(`${root}/`, '');
    const failed = assertionResults.find((one) => one.status === 'failed');
    if (failed !== undefined) return `${file} > ${failed.fullName}`;
    if (status === 'failed') return `${file}: ${message.split('\n')[0]}`;
  }
  throw new Error('the tests failed without a failing test: run them on the shipped code');
}
