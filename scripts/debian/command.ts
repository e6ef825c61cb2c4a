/** Runs a program to its end, and returns what it printed. */
import { spawnSync } from 'node:child_process';
import { CannotSetUp } from './cannot-set-up.js';

const OUTPUT_BYTES_MAX = 2 ** 28;

/** Throws `CannotSetUp` with its first error when the program fails or is missing. */
export function output(
  command: string,
  args: readonly string[],
  options: { cwd?: string; input?: Buffer } = {},
): Buffer {
  const { status, stdout, stderr, error } = spawnSync(command, args, { ...options, maxBuffer: OUTPUT_BYTES_MAX });
  if (status === 0) return stdout;
  const lines = stderr?.toString().trim().split('\n') ?? [];
  const reason = error?.message ?? lines.find((line) => line.startsWith('E: ')) ?? lines.at(-1);
  throw new CannotSetUp(`${command} failed: ${reason}`);
}
