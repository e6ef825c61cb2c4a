/** From a machine to its drawing, and from a folder to its machines. */
import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type AnyStateMachine, StateMachine } from 'xstate';
import { chartOf } from './docs-machine-chart.js';
import { layOut } from './docs-machine-layout.js';
import { paint } from './docs-machine-svg.js';

/** The drawing of a machine, as SVG text. The same machine gives the same text, everywhere. */
export async function drawMachine(machine: AnyStateMachine): Promise<string> {
  const chart = chartOf(machine);
  return paint(chart, await layOut(chart));
}

/** The machines of a folder, by module name: each module that exports one `…Machine`. */
export async function machinesIn(folder: string): Promise<ReadonlyMap<string, AnyStateMachine>> {
  const machines = new Map<string, AnyStateMachine>();
  const files = (await readdir(folder)).filter((file) => ['.js', '.ts'].includes(extname(file))).sort();
  for (const file of files) {
    const module = (await import(pathToFileURL(join(folder, file)).href)) as Record<string, unknown>;
    for (const [name, value] of Object.entries(module)) {
      if (name.endsWith('Machine') && value instanceof StateMachine) machines.set(basename(file, extname(file)), value);
    }
  }
  return machines;
}
