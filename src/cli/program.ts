/** The command line: one file per command. */
import { Command } from 'commander';
import { agentCommand } from './agent.js';
import { demoCommand } from './demo.js';
import { doctorCommand } from './doctor.js';
import { explainCommand } from './explain.js';
import { faultCommand } from './fault.js';
import { inspectCommand } from './inspect.js';
import { keysCommand } from './keys.js';
import { replayCommand } from './replay.js';
import { reportError } from './report-error.js';
import { simCommand } from './sim.js';
import { statusCommand } from './status.js';
import type { Terminal } from './terminal.js';
import { topCommand } from './top.js';
import { packageVersion } from './version.js';

/** Every command with its options. It throws commander's errors, and never ends the process. */
export function kvferryProgram(terminal: Terminal): Command {
  const program = new Command('kvferry')
    .description('Moves LLM KV cache from prefill to decode servers.')
    .version(packageVersion())
    .option('--verbose', 'print stack traces');
  const commands = [
    agentCommand,
    demoCommand,
    statusCommand,
    topCommand,
    inspectCommand,
    explainCommand,
    doctorCommand,
    simCommand,
    replayCommand,
    faultCommand,
    keysCommand,
  ];
  for (const command of commands.map((make) => make(terminal))) {
    program.addCommand(command);
  }
  for (const command of [program, ...program.commands.flatMap((one) => [one, ...one.commands])]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
    });
  }
  return program;
}

/** Runs one command. Never rejects; the exit status is in `terminal.exitCode`. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<void> {
  const program = kvferryProgram(terminal);
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    reportError(error, terminal, program.opts<{ verbose?: true }>().verbose === true);
  }
}
