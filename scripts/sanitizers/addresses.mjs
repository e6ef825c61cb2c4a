// AddressSanitizer and UndefinedBehaviorSanitizer: a copy of the checkout with an addon of its own, and its tests with the
// runtime loaded before Node.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { listFiles } from '../setup/digest.mjs';
import { run, runtimeOf, say } from './steps.mjs';

const COPIED = ['machines', 'scripts', 'src', 'test', 'binding.gyp', 'package.json', 'package-lock.json'];
const FLAGS = '-fsanitize=address,undefined -fno-omit-frame-pointer -g1 -O1';
/**
 * Contract, lifetime, hostile peers, and whatever feeds the addon with what it must refuse. Not few-descriptors: the check of a
 * virtual table opens a pipe, and where there is no descriptor for it, it reports a wrong object.
 */
const TESTS = [
  'test/contract/fabric-native',
  'test/contract/fabric-tcp',
  'test/native/arguments',
  'test/native/fuzz',
  'test/native/hostile-',
  'test/native/lifetime',
  'test/native/memfd',
  'test/native/shrinking-',
  'test/native/tcp-',
];

export async function checkAddresses(root, folder) {
  const tree = path.join(folder, 'checkout');
  const reports = path.join(folder, 'reports');
  copyCheckout(root, tree);
  rmSync(reports, { recursive: true, force: true });
  mkdirSync(reports, { recursive: true });

  const flags = { CXXFLAGS: FLAGS, LDFLAGS: FLAGS };
  const built = await run(process.execPath, ['scripts/setup/main.mjs', 'native'], {
    cwd: tree,
    env: { ...process.env, ...flags },
  });
  if (built.ended !== 0) return { passed: false, reports: 0, tests: 0 };

  const env = {
    ...process.env,
    LD_PRELOAD: `${runtimeOf('libasan.so')}:${runtimeOf('libubsan.so')}`,
    ASAN_OPTIONS: `detect_leaks=0:log_path=${path.join(reports, 'report')}`,
    UBSAN_OPTIONS: `print_stacktrace=1:log_path=${path.join(reports, 'report')}`,
  };
  const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');
  const results = path.join(folder, 'addresses.json');
  const args = ['run', '--project', 'process', '--project', 'system', '--testTimeout=180000'];
  const output = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`];
  const tested = await run(process.execPath, [vitest, ...args, ...output, ...TESTS], { cwd: tree, env });
  const found = readdirSync(reports).map((name) => readFileSync(path.join(reports, name), 'utf8'));
  for (const report of found) process.stderr.write(`${report}\n`);
  const tests = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')).numPassedTests : 0;
  say(`addresses: ${tests} tests passed, ${found.length} reports`);
  return { passed: tested.ended === 0 && found.length === 0, reports: found.length, tests };
}

/** Copies what has changed, so that make compiles only what has changed. */
function copyCheckout(root, tree) {
  const configs = readdirSync(root).filter((name) => /^(tsconfig.*\.json|vitest\.config\.ts)$/.test(name));
  const wanted = new Set([...COPIED, ...configs].flatMap((start) => listFiles(root, start)));
  for (const start of COPIED) {
    for (const name of listFiles(tree, start)) if (!wanted.has(name)) rmSync(path.join(tree, name));
  }
  for (const name of wanted) {
    const [from, to] = [path.join(root, name), path.join(tree, name)];
    if (existsSync(to) && statSync(to).mtimeMs === statSync(from).mtimeMs) continue;
    cpSync(from, to, { preserveTimestamps: true });
  }
  const modules = path.join(tree, 'node_modules');
  if (!existsSync(modules)) symlinkSync(path.join(root, 'node_modules'), modules);
}
