/** `npm run test:trust`: the deployment that `kvferry keys` makes, and everything that nobody may do in it. */
import { Command, Option } from 'commander';
import { EXIT_FAILURE, processTerminal } from '../../src/cli/terminal.js';
import { holes } from './planted.js';
import { runTrust } from './run-trust.js';

interface Flags {
  readonly only: readonly string[];
  readonly planted?: string;
  readonly json?: true;
}

const terminal = processTerminal();
await new Command('test:trust')
  .description(
    'Run real agents under the permissions of kvferry keys, and attack them with the credentials of each role.',
  )
  .option('--only <texts...>', 'only attacks whose name or user contains one of these texts', [])
  .addOption(
    new Option('--planted <hole>', 'only a deployment with this hole, and the attack that must find it').choices(
      holes.map(({ name }) => name),
    ),
  )
  .option('--json', 'print the result as one JSON object on the last line')
  .action(async ({ only, planted, json }: Flags) => {
    const say = json ? terminal.err : terminal.out;
    const result = await runTrust({ only, planted }, say);
    for (const what of result.broken) say(`broken: ${what}`);
    if (json) terminal.out(JSON.stringify(result));
    else say(`${result.attacks} attacks, ${result.refused} refused, ${result.succeeded} succeeded`);
    if (result.broken.length > 0) terminal.exitCode = EXIT_FAILURE;
  })
  .parseAsync();
