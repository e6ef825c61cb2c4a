/** `kvferry fault`: makes something bad happen to an agent, to see what follows. */
import { Argument, Command, Option } from 'commander';
import { connectClient } from '../client/connect-client.js';
import { formatDurationMs } from '../figures/units.js';
import { type Fault, faults } from '../protocol/faults.js';
import { FAULT_MS_MAX } from '../protocol/limits.js';
import { DEFAULT_NATS_URL } from './nats-option.js';
import { duration } from './option-parsers.js';
import type { Terminal } from './terminal.js';

const explanation = `
Only an agent that was started with --allow-faults lets it happen.

  kill           its process gets SIGKILL
  stop           it gets SIGSTOP, and goes on after that time
  partition      it is cut off from NATS for that time
  heal           what lasts ends now
  slow-write     every write to another agent begins later
  zombie-writer  its next write is held while it is cut off, and posted when its receiver has given it up`;

interface FaultFlags {
  readonly nats?: string;
  readonly for?: number;
}

export function faultCommand(terminal: Terminal): Command {
  return new Command('fault')
    .description('Inject a fault into an agent that allows it: for demonstrations and tests.')
    .argument('<agent>', 'name of the agent')
    .addArgument(new Argument('<fault>', 'fault to inject').choices(faults))
    .addOption(
      new Option('--for <time>', 'duration (default: three heartbeats of the agent and 2s)').argParser(
        duration(1, FAULT_MS_MAX),
      ),
    )
    .option('--nats <url>', `NATS server [KVFERRY_NATS_URL] (default ${DEFAULT_NATS_URL})`)
    .addHelpText('after', explanation)
    .action(async (agent: string, fault: Fault, flags: FaultFlags) => {
      const servers = flags.nats ?? (terminal.env.KVFERRY_NATS_URL || DEFAULT_NATS_URL);
      const client = await connectClient({ servers, name: 'kvferry fault' });
      try {
        const { epoch, forMs } = await client.fault(agent, {
          fault,
          ...(flags.for === undefined ? {} : { forMs: flags.for }),
        });
        const lasting = forMs === undefined ? '' : ` for ${formatDurationMs(forMs)}`;
        terminal.out(`${agent} (epoch ${epoch}): ${fault}${lasting}`);
      } finally {
        await client.close();
      }
    });
}
