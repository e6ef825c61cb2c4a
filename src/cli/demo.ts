/** `kvferry demo`: starts agents and a NATS server, and moves KV cache between them as engines do. */
import { Command, Option } from 'commander';
import { resolveAgentConfig } from '../config/agent-config.js';
import { formatBytes } from '../figures/units.js';
import { patience } from '../processes/patience.js';
import { realProviders } from '../protocol/fields.js';
import { type DemoReport, isGood, renderReport } from './demo/report.js';
import { type DemoOptions, runDemo } from './demo/run-demo.js';
import { addAccessOptions, type NatsFlags, natsPlace } from './nats-option.js';
import { bytes, bytesOrNone, fraction, numberBetween } from './option-parsers.js';
import { EXIT_FAILURE, type Terminal } from './terminal.js';

interface DemoFlags extends NatsFlags {
  readonly requests: number;
  readonly prefill: number;
  readonly pageBytes: number;
  readonly arenaPages: number;
  readonly share: number;
  readonly provider: string;
  readonly bindAddress?: string;
  readonly agents: 'own' | 'existing';
  readonly seed: number;
  readonly quietBytes: number;
  readonly controlBatches: number;
  readonly allowFaults?: true;
  readonly inspect?: true;
  readonly json?: true;
}

const LOOPBACK = '127.0.0.1';
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/** The longest prompt must fit into the arena, or it could never be admitted. */
const ARENA_PAGES_MIN = 32;
/** Enough to measure one of them. */
const CONTROL_BATCHES_MIN = 5;

export function demoCommand(terminal: Terminal): Command {
  const command = new Command('demo')
    .description('Start NATS, prefill agents and a decode agent, move KV cache between them, and check every byte.')
    .addOption(
      new Option('--requests <count>', 'number of prompts to send').argParser(numberBetween(1, 100_000)).default(64),
    )
    .addOption(
      new Option('--prefill <count>', 'number of prefill agents to start').argParser(numberBetween(1, 16)).default(2),
    )
    .addOption(size('--page-bytes <size>', 'size of a page', 3 * MIB))
    .addOption(
      new Option('--arena-pages <count>', 'number of pages in the arena')
        .argParser(numberBetween(ARENA_PAGES_MIN, 1_048_576))
        .default(128),
    )
    .addOption(
      new Option('--share <fraction>', 'fraction of each prompt that it shares with other prompts')
        .argParser(fraction)
        .default(0.75),
    )
    .option('--provider <name>', `auto, or a list of ${realProviders.options.join(', ')}`, 'auto')
    .option(
      '--bind-address <address>',
      `where the agents listen, such as the address of an RDMA device [KVFERRY_BIND_ADDRESS] (default ${LOOPBACK})`,
    )
    .option('--nats <url>', 'use this NATS server instead of starting one');
  return addAccessOptions(command)
    .addOption(
      new Option('--agents <which>', 'start agents, or use the ones at --nats')
        .choices(['own', 'existing'])
        .default('own'),
    )
    .addOption(
      new Option('--seed <number>', 'seed of the load; equal seeds make equal loads')
        .argParser(numberBetween(0, 2 ** 31))
        .default(1),
    )
    .addOption(
      new Option('--quiet-bytes <size>', 'bytes to move in the quiet phase, which measures the rate; 0: no such phase')
        .argParser(bytesOrNone)
        .default(GIB, formatBytes(GIB)),
    )
    .addOption(
      new Option('--control-batches <count>', 'tiny batches in the quiet phase; it measures the last fifth of them')
        .argParser(numberBetween(CONTROL_BATCHES_MIN, 100_000))
        .default(1000),
    )
    .option('--allow-faults', 'let kvferry fault kill, stop and cut off the agents; the demo restarts killed agents')
    .option('--inspect', 'serve the inspector, print its address, and keep a light load running until Ctrl-C')
    .option('--json', 'print the result as one JSON object on the last line')
    .action(async (flags: DemoFlags, command: Command) => {
      if (flags.agents === 'existing' && flags.nats === undefined) {
        command.error("error: option '--agents existing' needs '--nats <url>'");
      }
      // Checked here, because an agent reports a refused flag only in its log.
      const { provider, pageBytes } = flags;
      const bindAddress = flags.bindAddress ?? (terminal.env['KVFERRY_BIND_ADDRESS'] || LOOPBACK);
      resolveAgentConfig({ flags: { provider, bindAddress, pageBytes: `${pageBytes}` }, env: {} });
      patience();
      const say = flags.json ? terminal.err : terminal.out;
      const show = (report: DemoReport) => {
        say('');
        say(renderReport(report));
        if (flags.json) terminal.out(JSON.stringify(report));
      };
      const report = await runDemo(toOptions({ ...flags, bindAddress }, terminal.env), {
        say,
        interactive: process.stderr.isTTY,
        report: show,
      });
      if (!isGood(report)) terminal.exitCode = EXIT_FAILURE;
    });
}

function toOptions(
  { prefill, agents, ...flags }: DemoFlags & { readonly bindAddress: string },
  env: Terminal['env'],
): DemoOptions {
  const allowFaults = flags.allowFaults === true;
  const inspect = flags.inspect === true;
  return {
    ...flags,
    allowFaults,
    inspect,
    prefillAgents: prefill,
    nats: flags.nats === undefined ? undefined : natsPlace(flags, env),
    existingAgents: agents === 'existing',
  };
}

function size(flags: string, description: string, fallback: number): Option {
  return new Option(flags, description).argParser(bytes).default(fallback, formatBytes(fallback));
}
