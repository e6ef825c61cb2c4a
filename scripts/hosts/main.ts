/** `npm run test:hosts`: hosts in network namespaces, each with agents, and networks between them that fail. */
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { processInterrupts } from '../../src/cli/interrupts.js';
import { EXIT_FAILURE, processTerminal } from '../../src/cli/terminal.js';
import { ChildProcess } from '../../src/processes/child-process.js';
import { natsServerEnvironment } from '../../src/processes/nats-server.js';
import type { HostsOrder, HostsResult } from '../../test/hosts/hosts-result.js';
import { inNamespaces, whyImpossible } from './requirements.js';

const EXIT_IMPOSSIBLE = 2;
const INSIDE = fileURLToPath(new URL('../../test/hosts/inside.js', import.meta.url));

interface Flags {
  readonly only: readonly string[];
  readonly json?: true;
}

const terminal = processTerminal();

await new Command('test:hosts')
  .description('Run agents on hosts in network namespaces, and cut, narrow, slow down, read and attack their networks.')
  .option('--only <texts...>', 'only cases whose name contains one of these texts', [])
  .option('--json', 'print the result as one JSON object on the last line')
  .action(run)
  .parseAsync();

async function run({ only, json }: Flags): Promise<void> {
  const say = json ? terminal.err : terminal.out;
  const reason = whyImpossible(process.cwd(), natsServerEnvironment);
  if (reason !== undefined) {
    terminal.err(`test:hosts cannot run: ${reason}`);
    terminal.exitCode = EXIT_IMPOSSIBLE;
    return;
  }
  const result = await runInside({ only }, say);
  if (result === undefined) {
    terminal.exitCode = EXIT_FAILURE;
    return;
  }
  for (const what of result.broken) say(`broken: ${what}`);
  if (json) terminal.out(JSON.stringify(result));
  else
    say(
      `${result.cases} cases, ${result.skipped.length} skipped, ${result.failed} failed; ${result.requests} requests`,
    );
  if (result.cases === 0 || result.broken.length > 0) terminal.exitCode = EXIT_FAILURE;
}

/** Undefined, with a line that says why, when the run did not finish. */
async function runInside(order: HostsOrder, say: (line: string) => void): Promise<HostsResult | undefined> {
  const [command = '', ...args] = [...inNamespaces(), process.execPath, INSIDE, JSON.stringify(order)];
  const inside = new ChildProcess({
    name: 'test:hosts',
    command,
    args,
    env: natsServerEnvironment,
    channel: true,
    onLine: say,
  });
  let result: HostsResult | undefined;
  inside.process.once('message', (message) => {
    result = message as HostsResult;
  });
  // Everything inside ends with it.
  const interrupts = processInterrupts();
  interrupts.signal.addEventListener('abort', () => void inside.kill());
  const how = await inside.ended;
  interrupts.dispose();
  if (result === undefined) terminal.err(`test:hosts did not finish: it ${how}`);
  return result;
}
