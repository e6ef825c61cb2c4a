/** `kvferry inspect`: serves a web page that shows a cluster or a recording. */
import { Command, Option } from 'commander';
import { formatListenAddress, type ListenAddress } from '../config/listen-address.js';
import type { RunningInspector } from '../observe/inspector/server/inspector-server.js';
import { processInterrupts } from './interrupts.js';
import { addNatsOptions, type NatsFlags, natsPlace } from './nats-option.js';
import { listenAddress } from './option-parsers.js';
import type { Terminal } from './terminal.js';

const DEFAULT_LISTEN: ListenAddress = { host: '127.0.0.1', port: 7070 };

interface InspectFlags extends NatsFlags {
  readonly listen: ListenAddress;
  readonly recording?: string;
  readonly allowFaults?: true;
  readonly stately?: string;
}

/** The inspector closes when `ended` resolves. Tests pass their own. */
export function inspectCommand(terminal: Terminal, ended: () => Promise<void> = interrupted): Command {
  const command = new Command('inspect').description(
    'Serve a web page of the whole cluster: agents, state machines, requests, and recent history.',
  );
  return addNatsOptions(command)
    .addOption(
      new Option('--listen <address>', 'address of the page: host:port, or a port of 127.0.0.1; port 0: any free port')
        .argParser(listenAddress)
        .default(DEFAULT_LISTEN, formatListenAddress(DEFAULT_LISTEN)),
    )
    .addOption(
      new Option('--recording <file>', 'show a recording (kvferry agent --record) instead of a cluster').conflicts([
        'nats',
        'allowFaults',
      ]),
    )
    .option('--allow-faults', 'let the page provoke faults in agents that allow them')
    .option('--stately <url>', "also send events to a relay of Stately's inspector, such as ws://localhost:8080")
    .action(async (flags: InspectFlags) => {
      const inspector = flags.recording === undefined ? await inspectCluster(flags, terminal) : await open(flags);
      terminal.out(`inspector: ${inspector.url}`);
      await ended();
      await inspector.close();
    });
}

// The page server is loaded only here, so that other commands start faster.

async function inspectCluster(flags: InspectFlags, { env }: Terminal): Promise<RunningInspector> {
  const { listen, allowFaults = false, stately: statelyRelay } = flags;
  const nats = natsPlace(flags, env);
  const { startLiveInspector } = await import('./inspect/live-inspector.js');
  return startLiveInspector({ nats, listen, allowFaults, statelyRelay });
}

async function open({ recording = '', listen, stately: statelyRelay }: InspectFlags): Promise<RunningInspector> {
  const { RecordingSource } = await import('./inspect/recording-source.js');
  const { startInspector } = await import('../observe/inspector/server/inspector-server.js');
  const source = await RecordingSource.open(recording);
  return startInspector({ source, ...listen, statelyRelay });
}

/** Resolves at the first signal to end. The second signal ends the process at once. */
async function interrupted(): Promise<void> {
  const { signal } = processInterrupts();
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
