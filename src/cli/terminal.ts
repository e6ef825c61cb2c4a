import { terminalSafe } from './terminal-safe.js';

/** The process around a command: output, environment and exit status. */
export interface Terminal {
  /** Results, one line at a time. */
  out(line: string): void;
  /** Progress and problems. */
  err(line: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Width of the screen; undefined when stdout is not a terminal. */
  readonly columns?: number | undefined;
  /** Exit status. A command that fails without an error message sets it. */
  exitCode: number;
}

/** The command failed. */
export const EXIT_FAILURE = 1;
/** A wrong option or a wrong setting. */
export const EXIT_USAGE = 2;

/** As the shell reports a program that SIGPIPE (13) has ended. */
const EXIT_BROKEN_PIPE = 128 + 13;

export function processTerminal(): Terminal {
  endOnBrokenPipe(process.stdout);
  endOnBrokenPipe(process.stderr);
  return {
    out: (line) => void process.stdout.write(`${terminalSafe(line)}\n`),
    err: (line) => void process.stderr.write(`${terminalSafe(line)}\n`),
    env: process.env,
    get columns() {
      return process.stdout.isTTY ? process.stdout.columns : undefined;
    },
    get exitCode() {
      return Number(process.exitCode ?? 0);
    },
    set exitCode(code: number) {
      process.exitCode = code;
    },
  };
}

/** The reader of our output, `head` for example, has closed it: that is no error, and the rest has no reader. */
function endOnBrokenPipe(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT_BROKEN_PIPE);
    if (stream !== process.stderr) process.stderr.write(`kvferry: cannot write the output: ${error.message}\n`);
    process.exit(EXIT_FAILURE);
  });
}
