/** Runs a program to its end while this process does other things. */
import { execFile } from 'node:child_process';

const OUTPUT_BYTES_MAX = 2 ** 26;
const MS_PER_MINUTE = 60_000;
const ERROR_LINES = 12;

export interface Outcome {
  /** Null: ended by a signal, or never started. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly minutes?: number;
  readonly signal?: AbortSignal;
}

/** Resolves with whatever the program printed, also when it fails. Rejects with the reason of `signal`. */
export function runProgram(command: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { minutes = 10, ...rest } = options;
  return new Promise((resolve, reject) => {
    const limits = { maxBuffer: OUTPUT_BYTES_MAX, timeout: minutes * MS_PER_MINUTE };
    const child = execFile(command, args, { ...rest, ...limits }, (error, stdout, stderr) => {
      if (options.signal?.aborted) reject(options.signal.reason);
      else if (error === null) resolve({ status: 0, stdout, stderr });
      else {
        const { code } = error as { code?: unknown };
        const reason = child.pid === undefined ? String(error) : stderr;
        resolve({ status: typeof code === 'number' ? code : null, stdout, stderr: reason });
      }
    });
    child.stdin?.end();
  });
}

/** As `runProgram`. Rejects with the last lines of its errors when the program fails. */
export async function mustRun(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await runProgram(command, args, options);
  if (status === 0) return stdout;
  const lines = `${stdout}\n${stderr}`.trim().split('\n').slice(-ERROR_LINES);
  throw new Error(`${command} ${args.slice(0, 8).join(' ')} ended with status ${status}:\n${lines.join('\n')}`);
}
