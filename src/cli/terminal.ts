/** What a command sees of the process it runs in. */
export interface Terminal {
  /** Results, one line at a time. */
  out(line: string): void;
  /** Progress and problems. */
  err(line: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Width of the screen; undefined when results go to a file or another program. */
  readonly columns?: number | undefined;
  /** Exit status; commands that failed without an error to show set it. */
  exitCode: number;
}

/** A command failed. */
export const EXIT_FAILURE = 1;
/** It was called wrongly, or is configured wrongly. */
export const EXIT_USAGE = 2;

export function processTerminal(): Terminal {
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
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
