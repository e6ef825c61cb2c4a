/** Draws every machine into docs/machines. Run from the root of the repository: `npm run docs`. */
import { fileURLToPath } from 'node:url';
import { drawMachine } from '../../src/observe/inspector/drawing/draw-machine.js';
import { machinesIn } from './machines-in.js';
import { type GeneratedFile, writeGenerated } from './output.js';

const machines = await machinesIn(fileURLToPath(new URL('../../machines', import.meta.url)));
const files: GeneratedFile[] = [];
for (const [name, machine] of machines) {
  files.push({ path: `docs/machines/${name}.svg`, text: await drawMachine(machine) });
}
await writeGenerated(files, process.argv);
