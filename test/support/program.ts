/** A command of the built program, as people run it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { within } from '../../src/processes/within.js';

const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const START_TIMEOUT_MS = 60_000;

export class Program {
  readonly process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #exit: Promise<unknown>;
  #heard: () => void = () => undefined;

  constructor(...args: string[]) {
    this.process = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#exit = once(this.process, 'exit').then(([code, signal]) => code ?? signal);
    if (this.process.stdout === null) throw new Error('no output');
    createInterface({ input: this.process.stdout }).on('line', (line) => {
      this.#lines.push(line);
      this.#heard();
    });
    onTestFinished(() => void this.process.kill('SIGKILL'));
  }

  /** Resolves with what `pattern` has in its first group, in the first line that it matches. */
  async said(pattern: RegExp): Promise<string> {
    const find = async () => {
      for (;;) {
        const found = this.#lines.map((line) => pattern.exec(line)).find((match) => match !== null);
        if (found !== undefined) return found[1] ?? '';
        await new Promise<void>((resolve) => {
          this.#heard = resolve;
        });
      }
    };
    return within(START_TIMEOUT_MS, `it never said ${pattern}:\n${this.#lines.join('\n')}`, find());
  }

  end(signal: NodeJS.Signals): Promise<unknown> {
    this.process.kill(signal);
    return within(START_TIMEOUT_MS, 'it did not end', this.#exit);
  }
}
