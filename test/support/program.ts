/** A command of the built program, as people run it. It ends with the test that started it. */
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { ChildProcess } from '../../src/processes/child-process.js';
import { within } from '../../src/processes/within.js';

const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const WAIT_MS = 60_000;

export class Program {
  readonly #child: ChildProcess;

  constructor(...args: string[]) {
    const name = `kvferry ${args[0]}`;
    this.#child = new ChildProcess({ name, command: process.execPath, args: [MAIN, ...args] });
    onTestFinished(() => this.#child.kill());
  }

  /** Resolves with what `pattern` has in its first group, in the first line that it matches. */
  said(pattern: RegExp): Promise<string> {
    const find = (line: string) => {
      const match = pattern.exec(line);
      return match === null ? undefined : (match[1] ?? '');
    };
    return this.#child.printed(find, `${pattern}`, WAIT_MS);
  }

  async end(signal: NodeJS.Signals): Promise<unknown> {
    this.#child.signal(signal);
    const ended = within(WAIT_MS, `${this.#child.name} did not end after ${signal}`, this.#child.exited);
    const { code, signal: endedBy } = await ended;
    return code ?? endedBy;
  }
}
