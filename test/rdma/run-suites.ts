/** Runs the test suites over verbs, in one run of vitest, and reads its report. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ChildProcess } from '../../src/processes/child-process.js';
import type { Figures, GuestResult, Suite, SuiteResult } from './order.js';

/** Compiled, this file is in dist/test/rdma. */
const root = fileURLToPath(new URL('../../..', import.meta.url));

const CONTRACT = ['test/contract/fabric-native.test.ts'];
/** Ends of processes, connections and their memory. */
const LIFETIME = ['test/native/lifetime.test.ts'];
/** What a device may break beyond the contract: its fence, ends of processes in mid-write, sources that change. */
const DEVICE = [
  'test/native/changed-source.test.ts',
  'test/native/hostile-writer.test.ts',
  'test/native/shrinking-arena.test.ts',
  'test/native/staging-memory.test.ts',
  'test/rdma/device.test.ts',
];

/** What vitest's JSON reporter writes, as far as it is read here. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[];
      readonly meta: Partial<Figures>;
    }[];
  }[];
}

export async function runSuites(asked: readonly Suite[], job: string): Promise<Partial<GuestResult>> {
  const wanted = { contract: CONTRACT, lifetime: LIFETIME, device: DEVICE };
  const report = await runVitest(
    asked.flatMap((suite) => wanted[suite]),
    job,
  );
  const results = asked.map((suite) => [suite, resultOf(report, wanted[suite])] as const);
  const metas = report.testResults.flatMap(({ assertionResults }) => assertionResults.map(({ meta }) => meta));
  const sum = (name: keyof Figures) => metas.reduce((total, meta) => total + (meta[name] ?? 0), 0);
  const figures = { staleDelivered: sum('staleDelivered'), zombieWritesRejected: sum('zombieWritesRejected') };
  return { ...Object.fromEntries(results), ...(asked.includes('device') && { figures }) };
}

async function runVitest(files: readonly string[], job: string): Promise<Report> {
  const output = join(job, 'tests.json');
  const reporters = ['--reporter=verbose', '--reporter=json', `--outputFile.json=${output}`];
  const child = new ChildProcess({
    name: 'vitest',
    command: process.execPath,
    args: [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      ...['--config', join(root, 'test/rdma/vitest.config.ts')],
      ...reporters,
      ...files,
    ],
    env: { ...process.env, KVFERRY_TEST_PROVIDER: 'verbs', NO_COLOR: '1' },
    onLine: (line) => console.log(line),
  });
  const how = await child.ended;
  try {
    return JSON.parse(readFileSync(output, 'utf8')) as Report;
  } catch (error) {
    throw new Error(`vitest ${how}, without a report: ${(error as Error).message}`);
  }
}

function resultOf(report: Report, files: readonly string[]): SuiteResult {
  const own = report.testResults.filter(({ name }) => files.some((file) => name.endsWith(file)));
  const tests = own.flatMap(({ assertionResults }) => assertionResults);
  const withStatus = (status: string) => tests.filter((test) => test.status === status);
  const failures = withStatus('failed').map(
    ({ fullName, failureMessages }) => `${fullName}: ${failureMessages?.[0]?.split('\n')[0] ?? 'no reason'}`,
  );
  // A file that could not be loaded, or was not found, has no tests to count as failed.
  const unloadable = files.filter((file) => {
    const found = own.find(({ name }) => name.endsWith(file));
    return found === undefined || (found.status === 'failed' && found.assertionResults.length === 0);
  });
  const all = [...failures, ...unloadable.map((file) => `${basename(file)} could not be run`)];
  const passed = withStatus('passed').length;
  return { passed, failed: all.length, skipped: tests.length - passed - failures.length, failures: all };
}
