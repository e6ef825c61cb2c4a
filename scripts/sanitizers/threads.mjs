// ThreadSanitizer: every source of the transports, compiled for it together with the driver (test/native/driver/main.cc), which
// takes the place of Node, with many seeds. Not `net`: libfabric 1.17 itself reads memory there that it has freed, when an endpoint
// closes to which a connection is being made.
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { listFiles } from '../setup/digest.mjs';
import { findNodeHeaders } from '../setup/node-headers.mjs';
import { run, say } from './steps.mjs';

const PROVIDERS = ['same-host', 'tcp', 'libfabric-tcp'];
const ROUNDS = 200;
const FLAGS = ['-std=c++20', '-g1', '-O1', '-fsanitize=thread', '-Wno-tsan'];
/** These call JavaScript. */
const LEFT_OUT = /core\/(arguments|baseline|engine|engine_core|loop_watch|outbox)\.cc$|\/addon\.cc$/;

export async function checkThreads(root, folder) {
  const driver = await build(root, path.join(folder, 'threads'));
  if (driver === undefined) return { passed: false, runs: [] };
  const runs = [];
  for (const provider of PROVIDERS) {
    const directory = mkdtempSync('/dev/shm/kvferry-threads-');
    const env = { ...process.env, TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1' };
    const { ended, output } = await run(driver, [provider, '1', `${ROUNDS}`, directory], { env });
    rmSync(directory, { recursive: true, force: true });
    runs.push({ provider, ended, output: output.trimEnd() });
  }
  const passed = runs.every(({ ended }) => ended === 0);
  say(`threads: ${passed ? 'no report' : 'failed'}`);
  return { passed, runs };
}

/** The path of the driver, or undefined when it does not compile. */
async function build(root, folder) {
  mkdirSync(folder, { recursive: true });
  const native = listFiles(root, 'src/native/cc');
  const stubs = listFiles(root, 'test/native/driver/stub');
  const sources = [
    ...native.filter((name) => name.endsWith('.cc') && !LEFT_OUT.test(name)),
    'test/native/driver/main.cc',
  ];
  const headers = [...native, ...stubs].filter((name) => name.endsWith('.h'));
  const newest = Math.max(...headers.map((name) => statSync(path.join(root, name)).mtimeMs));
  const prefix = findNodeHeaders();
  const include = ['-Itest/native/driver/stub', '-Isrc/native/cc', ...(prefix ? [`-I${prefix}/include/node`] : [])];
  const objects = sources.map((name) => path.join(folder, `${name.replaceAll('/', '_')}.o`));
  const stale = sources
    .map((name, index) => ({ name, object: objects[index] }))
    .filter(({ name, object }) => !isNewer(object, Math.max(newest, statSync(path.join(root, name)).mtimeMs)));
  say(`threads: compiling ${stale.length} files`);
  const workers = Array.from({ length: availableParallelism() }, async () => {
    for (let next = stale.pop(); next !== undefined; next = stale.pop()) {
      const args = [...FLAGS, ...include, '-c', '-o', next.object, next.name];
      const { ended } = await run('g++', args, { cwd: root });
      if (ended !== 0) return false;
    }
    return true;
  });
  if ((await Promise.all(workers)).includes(false)) return undefined;
  const driver = path.join(folder, 'driver');
  const { ended } = await run('g++', ['-fsanitize=thread', '-o', driver, ...objects, '-ldl', '-pthread']);
  return ended === 0 ? driver : undefined;
}

const isNewer = (file, time) => existsSync(file) && statSync(file).mtimeMs > time;
