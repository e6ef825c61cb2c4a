/** `npm run sim`: as `kvferry sim`, and with `--planted`, which runs it on code that has a defect of upstream. */
import { Option } from 'commander';
import { simCommand } from '../../../src/cli/sim.js';
import { processTerminal } from '../../../src/cli/terminal.js';
import { defects } from './planted/defects.js';
import { PLANTED_VARIABLE } from './planted/planted-variable.js';

const terminal = processTerminal();
const worker = new URL('./planted/seed-worker.js', import.meta.url);
const planted = new Option('--planted <defect>', 'plant a defect of upstream first').choices(Object.keys(defects));

const args = process.argv.slice(2);
const isPlanted = args.some((argument) => argument.startsWith('--planted'));
await simCommand(terminal, isPlanted ? worker : undefined)
  .addOption(planted)
  .hook('preAction', (command) => {
    process.env[PLANTED_VARIABLE] = command.opts<{ planted?: string }>().planted;
  })
  .parseAsync(args, { from: 'user' });
