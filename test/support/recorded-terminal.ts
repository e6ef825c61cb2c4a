/** A terminal that remembers what was printed. */
import type { Terminal } from '../../src/cli/terminal.js';

export class RecordedTerminal implements Terminal {
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  readonly env: Readonly<Record<string, string | undefined>>;
  exitCode = 0;

  constructor(env: Readonly<Record<string, string | undefined>> = {}) {
    this.env = env;
  }

  readonly out = (line: string) => void this.stdout.push(line);
  readonly err = (line: string) => void this.stderr.push(line);
}
