/** Prints an error as one line; with `--verbose` also its stack traces. */
import { CommanderError } from 'commander';
import { isKvferryError } from '../protocol/errors.js';
import { printableLines } from './printable.js';
import { EXIT_FAILURE, EXIT_USAGE, type Terminal } from './terminal.js';

export function reportError(error: unknown, terminal: Terminal, verbose: boolean): void {
  if (error instanceof CommanderError) {
    // Commander has already printed the problem, or the help.
    terminal.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
    return;
  }
  const message = error instanceof Error ? error.message : String(error);
  terminal.err(`kvferry: ${printableLines(message)}${isKvferryError(error) ? ` [${error.code}]` : ''}`);
  if (verbose) for (const stack of stacks(error)) terminal.err(printableLines(stack));
  terminal.exitCode = isKvferryError(error, 'invalid_configuration') ? EXIT_USAGE : EXIT_FAILURE;
}

function stacks(error: unknown): string[] {
  const lines: string[] = [];
  for (let each = error; each instanceof Error; each = each.cause) {
    lines.push(lines.length === 0 ? `${each.stack}` : `caused by ${each.stack}`);
  }
  return lines;
}
