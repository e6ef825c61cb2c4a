/** A link that loses and delays frames, for kernels without netem: a program between two TAP devices. */
import { join } from 'node:path';
import { ChildProcess } from '../../../src/processes/child-process.js';

const PROGRAM = join(process.cwd(), 'test/hosts/network/wire.py');
const START_TIMEOUT_MS = 10_000;

export interface Slowness {
  /** In each direction. */
  readonly delayMs: number;
  /** Fraction of the frames that are lost. */
  readonly loss: number;
}

/** Resolves when both devices are there. The program ends when one of them is deleted. */
export async function startWire(near: string, far: string, { delayMs, loss }: Slowness): Promise<void> {
  const args = [PROGRAM, near, far, `${delayMs}`, `${loss}`];
  const wire = new ChildProcess({ name: `wire ${near}`, command: 'python3', args, input: true });
  await wire.printed((line) => (line === 'ready' ? true : undefined), 'that it is ready', START_TIMEOUT_MS);
}
