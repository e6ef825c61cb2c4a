#!/usr/bin/env node
const FIRST_ARGUMENT = 2;
const EXIT_FAILURE = 1;

try {
  const { runProgram } = await import('./program.js');
  const { processTerminal } = await import('./terminal.js');
  await runProgram(process.argv.slice(FIRST_ARGUMENT), processTerminal());
} catch (error) {
  // The package was installed for its client alone.
  if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
  process.stderr.write(
    `kvferry: ${(error as Error).message}; install kvferry without --omit=optional to use its commands\n`,
  );
  process.exitCode = EXIT_FAILURE;
}
