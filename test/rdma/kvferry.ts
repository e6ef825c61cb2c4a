/** Runs the compiled command with `env` on top of this environment, and returns the last line that it printed. */
import { fileURLToPath } from 'node:url';
import { ChildProcess } from '../../src/processes/child-process.js';

/** Compiled, this file is in dist/test/rdma. */
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

export async function kvferry(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const results: string[] = [];
  const child = new ChildProcess({
    name: `kvferry ${args[0]}`,
    command: process.execPath,
    args: [MAIN, ...args],
    env: { ...process.env, ...env },
    onLine: (line, stream) => (stream === 'stdout' ? void results.push(line) : console.log(line)),
  });
  const how = await child.ended;
  const last = results.at(-1);
  if (last === undefined) throw new Error(`kvferry ${args[0]} ${how}: ${child.lines.at(-1)}`);
  return last;
}
