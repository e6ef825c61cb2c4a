/** `kvferry demo`: real agents, a real NATS server, and a load that behaves like engines. */
import { Command, Option } from 'commander';
import { resolveAgentConfig } from '../config/agent-config.js';
import { formatBytes } from '../figures/units.js';
import { type DemoReport, isGood, renderReport } from './demo/report.js';
import { type DemoOptions, runDemo } from './demo/run-demo.js';
import { bytes, fraction, numberBetween } from './option-parsers.js';
import { EXIT_FAILURE, type Terminal } from './terminal.js';

interface DemoFlags {
  readonly requests: number;
  readonly prefill: number;
  readonly pageBytes: number;
  readonly arenaPages: number;
  readonly share: number;
  readonly provider: string;
  readonly nats?: string;
  readonly agents: 'own' | 'existing';
  readonly seed: number;
  readonly quietBytes: number;
  readonly allowFaults?: true;
  readonly inspect?: true;
  readonly json?: true;
}

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/** An arena that cannot take the longest prompt could never admit it. */
const ARENA_PAGES_MIN = 32;

export function demoCommand(terminal: Terminal): Command {
  return new Command('demo')
    .description('Start NATS, prefill agents and a decode agent; move KV cache between them; check every byte.')
    .addOption(new Option('--requests <count>', 'prompts to send').argParser(numberBetween(1, 100_000)).default(64))
    .addOption(new Option('--prefill <count>', 'prefill agents to start').argParser(numberBetween(1, 16)).default(2))
    .addOption(size('--page-bytes <size>', 'size of a page', 3 * MIB))
    .addOption(
      new Option('--arena-pages <count>', 'pages of the arena')
        .argParser(numberBetween(ARENA_PAGES_MIN, 1_048_576))
        .default(128),
    )
    .addOption(new Option('--share <fraction>', 'part of each prompt that is shared').argParser(fraction).default(0.75))
    .option('--provider <name>', 'auto, same-host, tcp, net, verbs, or a list', 'auto')
    .option('--nats <url>', 'use this NATS server instead of starting one')
    .addOption(
      new Option('--agents <which>', 'start own agents, or use existing ones (with --nats)')
        .choices(['own', 'existing'])
        .default('own'),
    )
    .addOption(
      new Option('--seed <number>', 'the same seed makes the same load')
        .argParser(numberBetween(0, 2 ** 31))
        .default(1),
    )
    .addOption(size('--quiet-bytes <size>', 'bytes to move in the quiet phase', GIB))
    .option('--allow-faults', 'let kvferry fault kill, stop and cut off the agents; those killed are started again')
    .option('--inspect', 'serve the inspector (its address is printed), and go on with a gentle load until Ctrl-C')
    .option('--json', 'print the result as one JSON object on the last line')
    .action(async (flags: DemoFlags, command: Command) => {
      if (flags.agents === 'existing' && flags.nats === undefined) {
        command.error("error: option '--agents existing' needs '--nats <url>'");
      }
      // Here, because an agent that refuses its flags says so only in its log.
      resolveAgentConfig({ flags: { provider: flags.provider, pageBytes: `${flags.pageBytes}` }, env: {} });
      const say = flags.json ? terminal.err : terminal.out;
      const show = (report: DemoReport) => {
        say('');
        say(renderReport(report));
        if (flags.json) terminal.out(JSON.stringify(report));
      };
      const report = await runDemo(toOptions(flags), { say, interactive: process.stderr.isTTY, report: show });
      if (!isGood(report)) terminal.exitCode = EXIT_FAILURE;
    });
}

function toOptions({ prefill, nats, agents, ...flags }: DemoFlags): DemoOptions {
  const allowFaults = flags.allowFaults === true;
  const inspect = flags.inspect === true;
  return {
    ...flags,
    allowFaults,
    inspect,
    prefillAgents: prefill,
    natsUrl: nats,
    existingAgents: agents === 'existing',
  };
}

function size(flags: string, description: string, fallback: number): Option {
  return new Option(flags, description).argParser(bytes).default(fallback, formatBytes(fallback));
}
