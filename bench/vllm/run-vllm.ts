/**
 * The vllm suite: prompts that one vLLM prefills and another one decodes, with kvferry between them, with vLLM's own connectors,
 * and with one vLLM alone. `bench/vllm/measure` measures it, in the environment of `npm run test:vllm`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Teardown } from '../../src/processes/teardown.js';
import { KvferryError } from '../../src/protocol/errors.js';
import type { Bench } from '../bench.js';
import type { SuiteResult } from '../suite-result.js';
import { type Measured, rowsOf } from './samples.js';

/** The exit status of a host that cannot run vLLM. The last line says why. */
const EXIT_CANNOT_RUN = 2;
/** Lines of its output that are shown if it fails. */
const TAIL_LINES = 20;
const STEPS = { quick: 4, full: 27 } as const;

/** Rejects with `internal` and the end of its output if the measurement fails. */
export async function runVllm(bench: Bench, teardown: Teardown): Promise<SuiteResult> {
  bench.progress.begin('vllm', bench.quick ? STEPS.quick : STEPS.full);
  const command = ['scripts/vllm/main.mjs', 'bench', ...(bench.quick ? ['--quick'] : [])];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
  // It ends everything that it has started.
  teardown.defer(() => void child.kill('SIGINT'));
  let printed = '';
  child.stdout.on('data', (piece) => (printed += String(piece)));
  const lines: string[] = [];
  createInterface(child.stderr).on('line', (line) => {
    lines.push(line);
    if (line.startsWith('round ')) bench.progress.step(line);
  });
  const [status] = (await once(child, 'close')) as [number | null];
  bench.progress.end();
  if (status === EXIT_CANNOT_RUN) return { rows: [], notRun: [{ what: 'vllm', reason: lines.at(-1) ?? 'unknown' }] };
  if (status !== 0) {
    throw new KvferryError(
      'internal',
      `${command.join(' ')} ended with ${status}: ${lines.slice(-TAIL_LINES).join('\n')}`,
    );
  }
  const { samples, notRun, versions } = JSON.parse(printed) as Measured;
  return { rows: rowsOf(samples), notRun, versions };
}
