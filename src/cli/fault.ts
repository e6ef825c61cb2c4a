/** `kvferry fault`: provokes a fault in an agent, to show how the cluster handles it. */
import { Argument, Command, Option } from 'commander';
import { connectClient } from '../client/connect-client.js';
import type { KvferryClient } from '../client/kvferry-client.js';
import { formatDurationMs } from '../figures/units.js';
import { defined } from '../protocol/defined.js';
import { isKvferryError, KvferryError } from '../protocol/errors.js';
import { type Fault, faults } from '../protocol/faults.js';
import { FAULT_MS_MAX } from '../protocol/limits.js';
import { addNatsOptions, type NatsFlags, natsPlace } from './nats-option.js';
import { duration } from './option-parsers.js';
import type { Terminal } from './terminal.js';

const explanation = `
The agent must have been started with --allow-faults.

  kill           send SIGKILL to its process
  stop           send SIGSTOP to its process, and SIGCONT after that time
  partition      cut it off from NATS for that time
  heal           end every lasting fault now
  slow-write     delay the start of every write to another agent
  zombie-writer  cut it off, hold its next write, and post that write after the receiver has declared it dead`;

interface FaultFlags extends NatsFlags {
  readonly for?: number;
}

export function faultCommand(terminal: Terminal): Command {
  const command = new Command('fault')
    .description('Provoke a fault in an agent, for demonstrations and tests.')
    .argument('<agent>', 'name of the agent')
    .addArgument(new Argument('<fault>', 'the fault').choices(faults))
    .addOption(
      new Option('--for <time>', 'duration (default: three heartbeats of the agent and 2s)').argParser(
        duration(1, FAULT_MS_MAX),
      ),
    );
  return addNatsOptions(command)
    .addHelpText('after', explanation)
    .action(async (agent: string, fault: Fault, flags: FaultFlags) => {
      const client = await connectClient({ ...natsPlace(flags, terminal.env), name: 'kvferry fault' });
      try {
        const { epoch, forMs } = await strike(client, agent, { fault, ...defined({ forMs: flags.for }) });
        const lasting = forMs === undefined ? '' : ` for ${formatDurationMs(forMs)}`;
        terminal.out(`${agent} (epoch ${epoch}): ${fault}${lasting}`);
      } finally {
        await client.close();
      }
    });
}

/** Rejects as the client does, and names the agent when it is not there. */
async function strike(
  client: KvferryClient,
  agent: string,
  fault: Parameters<KvferryClient['fault']>[1],
): Promise<Awaited<ReturnType<KvferryClient['fault']>>> {
  try {
    return await client.fault(agent, fault);
  } catch (error) {
    if (!isKvferryError(error, 'no_responders')) throw error;
    const message = `agent ${agent} is not connected to NATS; kvferry status lists the agents`;
    throw new KvferryError('no_responders', message, { cause: error });
  }
}
