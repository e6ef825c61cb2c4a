/** A terminal that records everything printed to it. */
import type { Terminal } from '../../src/cli/terminal.js';

export class RecordedTerminal implements Terminal {
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly columns: number | undefined;
  exitCode = 0;

  constructor(env: Readonly<Record<string, string | undefined>> = {}, columns?: number) {
    this.env = env;
    this.columns = columns;
  }

  readonly out = (line: string) => void this.stdout.push(line);
  readonly err = (line: string) => void this.stderr.push(line);
}
