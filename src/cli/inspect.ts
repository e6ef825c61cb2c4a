/** `kvferry inspect`: serves a page that shows a cluster, or a recording. */
import { Command, Option } from 'commander';
import { formatListenAddress, type ListenAddress } from '../config/listen-address.js';
import type { RunningInspector } from '../observe/inspector/server/inspector-server.js';
import { processInterrupts } from './interrupts.js';
import { DEFAULT_NATS_URL } from './nats-option.js';
import { listenAddress } from './option-parsers.js';
import type { Terminal } from './terminal.js';

const DEFAULT_LISTEN: ListenAddress = { host: '127.0.0.1', port: 7070 };

interface InspectFlags {
  readonly nats?: string;
  readonly listen: ListenAddress;
  readonly recording?: string;
  readonly allowFaults?: true;
  readonly stately?: string;
}

/** `ended` resolves when the inspector is to end; tests give their own. */
export function inspectCommand(terminal: Terminal, ended: () => Promise<void> = interrupted): Command {
  return new Command('inspect')
    .description('Serve a web page that shows the whole cluster: agents, machines, requests, and their history.')
    .option('--nats <url>', `NATS server [KVFERRY_NATS_URL] (default ${DEFAULT_NATS_URL})`)
    .addOption(
      new Option(
        '--listen <address>',
        'address of the page: host:port, or a port of 127.0.0.1; port 0 is any free port',
      )
        .argParser(listenAddress)
        .default(DEFAULT_LISTEN, formatListenAddress(DEFAULT_LISTEN)),
    )
    .addOption(
      new Option('--recording <file>', 'show the recording of an agent (agent --record)').conflicts([
        'nats',
        'allowFaults',
      ]),
    )
    .option('--allow-faults', 'let the page inject faults into agents that allow it')
    .option('--stately <url>', "also send events to a relay of Stately's inspector, such as ws://localhost:8080")
    .action(async (flags: InspectFlags) => {
      const inspector = flags.recording === undefined ? await inspectCluster(flags, terminal) : await open(flags);
      terminal.out(`inspector: ${inspector.url}`);
      await ended();
      await inspector.close();
    });
}

// What serves the page is loaded only here: other commands need not wait for it.

async function inspectCluster(flags: InspectFlags, { env }: Terminal): Promise<RunningInspector> {
  const { nats, listen, allowFaults = false, stately: statelyRelay } = flags;
  const servers = nats ?? (env.KVFERRY_NATS_URL || DEFAULT_NATS_URL);
  const { startLiveInspector } = await import('./inspect/live-inspector.js');
  return startLiveInspector({ servers, listen, allowFaults, statelyRelay });
}

async function open({ recording = '', listen, stately: statelyRelay }: InspectFlags): Promise<RunningInspector> {
  const { RecordingSource } = await import('./inspect/recording-source.js');
  const { startInspector } = await import('../observe/inspector/server/inspector-server.js');
  const source = await RecordingSource.open(recording);
  return startInspector({ source, ...listen, statelyRelay });
}

/** Resolves when the process is told to end; a second time, and it ends at once. */
async function interrupted(): Promise<void> {
  const { signal } = processInterrupts();
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
