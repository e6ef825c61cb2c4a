/** `kvferry top`: shows agents and requests, live. */
import { Command, Option } from 'commander';
import { connectClient } from '../client/connect-client.js';
import { redactCredentials } from '../config/nats-fields.js';
import { SystemClock } from '../control/system-clock.js';
import type { ClockPort } from '../ports/clock.js';
import { type Interrupts, processInterrupts } from './interrupts.js';
import { type Keys, keysOf } from './keyboard.js';
import { addNatsOptions, type NatsFlags, natsPlace } from './nats-option.js';
import { duration } from './option-parsers.js';
import { pause } from './pause.js';
import type { Terminal } from './terminal.js';
import { frame } from './top/frame.js';
import { measure } from './top/measure.js';
import type { Sample } from './top/sample.js';
import { Sampler } from './top/sampler.js';
import { type Screen, TerminalScreen } from './top/screen.js';
import { firstView } from './top/view.js';
import { watch } from './top/watch.js';

const DEFAULT_INTERVAL_MS = 1000;
const INTERVAL_MS_MIN = 200;
const INTERVAL_MS_MAX = 60_000;
/** Width of a frame that is printed to a file or pipe. */
const PRINTED_COLUMNS = 160;

interface TopFlags extends NatsFlags {
  readonly once?: true;
  readonly json?: true;
  readonly interval: number;
}

/** Screen, keys, clock and signals of `top`. Tests pass their own. */
export interface TopWorld {
  /** Undefined when stdin or stdout is not a terminal. The keys end when `closing` is aborted. */
  readonly open: (closing: AbortSignal) => { readonly screen: Screen; readonly keys: Keys } | undefined;
  readonly clock: ClockPort;
  readonly interrupts: () => Interrupts;
}

const thisProcess: TopWorld = {
  open: (closing) => {
    if (!process.stdout.isTTY || !process.stdin.isTTY) return undefined;
    return { screen: new TerminalScreen(process.stdout), keys: keysOf(process.stdin, closing) };
  },
  clock: new SystemClock(),
  interrupts: processInterrupts,
};

export function topCommand(terminal: Terminal, world: TopWorld = thisProcess): Command {
  const command = new Command('top').description(
    'Show agents and requests live: rates, pages, queues, and what each request waits for.',
  );
  return addNatsOptions(command)
    .option('--once', 'print one frame and exit (the default when stdout is not a terminal)')
    .option('--json', 'print one JSON object on a line for each interval; with --once, only one')
    .addOption(
      new Option('--interval <time>', 'time between two samples')
        .argParser(duration(INTERVAL_MS_MIN, INTERVAL_MS_MAX))
        .default(DEFAULT_INTERVAL_MS, '1s'),
    )
    .action(async (flags: TopFlags) => {
      const nats = natsPlace(flags, terminal.env);
      const client = await connectClient({ ...nats, name: 'kvferry top' });
      const interrupts = world.interrupts();
      try {
        const { clock } = world;
        const sampler = new Sampler(client, () => clock.now());
        const take = () => sampler.take();
        const address = redactCredentials(nats.servers);
        if (flags.json) await printOn(take, flags, terminal, clock, interrupts.signal);
        else await show(take, flags, { address, terminal, world, signal: interrupts.signal });
      } finally {
        interrupts.dispose();
        await client.close();
      }
    });
}

interface ShowOptions {
  readonly address: string;
  readonly terminal: Terminal;
  readonly world: TopWorld;
  readonly signal: AbortSignal;
}

async function show(take: () => Promise<Sample>, flags: TopFlags, options: ShowOptions): Promise<void> {
  const { address, terminal, world, signal } = options;
  const { clock } = world;
  const intervalMs = flags.interval;
  const closing = new AbortController();
  const opened = flags.once ? undefined : world.open(closing.signal);
  if (opened !== undefined) {
    const { screen, keys } = opened;
    try {
      await watch({ take, screen, keys, clock, address, intervalMs, signal });
    } finally {
      closing.abort();
      screen.close();
    }
    return;
  }
  const before = await take();
  await pause(clock, intervalMs, signal);
  const columns = terminal.columns ?? PRINTED_COLUMNS;
  for (const line of frame(measure(before, await take()), firstView, { address, intervalMs, columns })) {
    terminal.out(line);
  }
}

async function printOn(
  take: () => Promise<Sample>,
  { once, interval }: TopFlags,
  terminal: Terminal,
  clock: ClockPort,
  signal: AbortSignal,
): Promise<void> {
  let before = await take();
  while (!signal.aborted) {
    await pause(clock, interval, signal);
    if (signal.aborted) return;
    const after = await take();
    terminal.out(JSON.stringify({ time: new Date().toISOString(), ...measure(before, after) }));
    before = after;
    if (once) return;
  }
}
