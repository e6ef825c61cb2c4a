/**
 * A Python environment for each peer, under build/, made when it is first needed. It installs only wheels, with the versions
 * in the peer's list, and not their dependencies: gigabytes of CUDA that moving host memory does not need. A second list has
 * the dependencies that a peer does need.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Teardown } from '../../src/processes/teardown.js';
import { KvferryError } from '../../src/protocol/errors.js';
import type { PeerName } from './peer-names.js';

const INSTALL_TIMEOUT_MS = 900_000;
/** Characters from the end of its output that are shown if an installation fails. */
const TAIL_CHARACTERS = 400;

/** Path of the interpreter in the peer's environment. Rejects with `internal` and the reason if it cannot be made. */
export async function pythonOf(
  peer: PeerName,
  folders: { readonly build: string; readonly sources: string },
  teardown: Teardown,
): Promise<string> {
  const environment = join(folders.build, 'bench-venv', peer);
  const list = join(folders.sources, `${peer}-requirements.txt`);
  const stamp = join(environment, 'installed');
  const python = join(environment, 'bin/python');
  const complete = join(folders.sources, `${peer}-with-dependencies.txt`);
  const wanted = [list, complete].map((path) => (existsSync(path) ? readFileSync(path, 'utf8') : '')).join('\n');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return python;
  rmSync(environment, { recursive: true, force: true });
  await run(teardown, 'python3', ['-m', 'venv', environment]);
  const install = ['-m', 'pip', 'install', '--quiet', '--only-binary=:all:'];
  if (existsSync(complete)) await run(teardown, python, [...install, '--requirement', complete]);
  await run(teardown, python, [...install, '--no-deps', '--requirement', list]);
  writeFileSync(stamp, wanted);
  return python;
}

async function run(teardown: Teardown, command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: INSTALL_TIMEOUT_MS });
  teardown.defer(() => void child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += String(piece)));
  const [code] = (await once(child, 'close').catch((cause: Error) => [cause.message])) as [number | string | null];
  if (code === 0) return;
  const tail = output.trim().slice(-TAIL_CHARACTERS);
  throw new KvferryError('internal', `${command} ${args.slice(0, 3).join(' ')} ended with ${code}: ${tail}`);
}
