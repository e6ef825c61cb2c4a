/** kvferry's fabric, between two processes. */
import { fileURLToPath } from 'node:url';
import type { NativeProvider } from '../../src/native/fabric-options.js';
import { type ChildProcess, startChild } from '../../src/processes/child-process.js';
import type { Teardown } from '../../src/processes/teardown.js';
import { ask } from '../harness/ask.js';
import { makeEngineMemory } from '../harness/engine-memory.js';
import type { NotRun } from '../suite-result.js';
import type { Contender } from './contender.js';
import type { EndpointAnswers, EndpointCommand } from './endpoint-messages.js';

const PROGRAM = fileURLToPath(new URL('endpoint-process.js', import.meta.url));
const PROVIDERS = ['same-host', 'tcp', 'libfabric-tcp', 'verbs'] as const satisfies readonly NativeProvider[];
/** libfabric's way over TCP is a contender in the table of kvferry's own. */
const LIBFABRIC = { name: 'libfabric', path: 'tcp' } as const;
/** Longer than any round. */
const COMMAND_TIMEOUT_MS = 120_000;

export async function startKvferry(
  options: {
    readonly directory: string;
    readonly logDirectory: string;
    readonly bindAddress: string;
    readonly bytes: number;
  },
  teardown: Teardown,
): Promise<{ readonly contenders: readonly Contender[]; readonly notRun: readonly NotRun[] }> {
  const { directory, logDirectory, bindAddress, bytes } = options;
  const start = (name: string) =>
    startChild(
      {
        name,
        command: process.execPath,
        args: [PROGRAM],
        env: process.env,
        logPath: `${logDirectory}/${name}.log`,
        channel: true,
      },
      teardown,
    );
  const receiver = start('data-receiver');
  const sender = start('data-sender');
  const shared = { providers: PROVIDERS, socketDirectory: directory, bindAddress, bytes };
  const { offers, unavailable } = await order(receiver, { type: 'receive', path: `${directory}/arena`, ...shared });
  const source = await makeEngineMemory({ bytes, logDirectory }, teardown);
  await order(sender, { type: 'send', path: source, offers, ...shared });
  const signal = (name: NodeJS.Signals) => {
    for (const program of [receiver, sender]) program.signal(name);
  };
  const contenders = offers.flatMap(({ endpoint }): Contender[] => {
    const provider = PROVIDERS.find((known) => known === endpoint.provider);
    if (provider === undefined) return [];
    return [
      {
        ...(provider === 'libfabric-tcp' ? LIBFABRIC : { name: 'kvferry', path: provider }),
        pause: () => signal('SIGSTOP'),
        resume: () => signal('SIGCONT'),
        fill: async (one, round) => void (await order(sender, { type: 'fill', one, round })),
        write: (one) => order(sender, { type: 'write', one, provider }),
        verify: async (one, round) => (await order(receiver, { type: 'verify', one, round })).wrongChunks,
      },
    ];
  });
  return {
    contenders,
    notRun: unavailable.map(({ provider, reason }) => ({ what: `kvferry over ${provider}`, reason })),
  };
}

function order<C extends EndpointCommand>(program: ChildProcess, command: C): Promise<EndpointAnswers[C['type']]> {
  return ask(program, command, COMMAND_TIMEOUT_MS);
}
