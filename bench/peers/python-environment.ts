/**
 * A Python environment for each peer, under build/, made when it is first needed. Only wheels are installed, of the
 * versions in the peer's list, and none of what they name as dependencies: that is gigabytes of CUDA, which moving host
 * memory does not need. What a peer cannot do without is in a second list.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Teardown } from '../../src/processes/teardown.js';
import { KvferryError } from '../../src/protocol/errors.js';
import type { PeerName } from './peer-names.js';

const INSTALL_TIMEOUT_MS = 900_000;
/** Of what an installation prints, this much of the end is shown when it fails. */
const TAIL_CHARACTERS = 400;

/** The interpreter of the peer's environment. Rejects `internal`, with the reason, when it cannot be made. */
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
