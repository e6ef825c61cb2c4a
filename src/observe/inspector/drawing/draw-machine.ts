/** From a machine to its drawing. The same machine gives the same text, everywhere. */
import type { AnyStateMachine } from 'xstate';
import { chartOf } from './chart.js';
import { layOut } from './layout.js';
import { paintFile, paintInPage } from './svg.js';

/** The drawing of a machine as an SVG file of its own. */
export async function drawMachine(machine: AnyStateMachine): Promise<string> {
  const chart = chartOf(machine);
  return paintFile(chart, await layOut(chart));
}

/** The same as SVG for a page that has `PAGE_STYLE`. */
export async function drawMachineInPage(machine: AnyStateMachine): Promise<string> {
  const chart = chartOf(machine);
  return paintInPage(chart, await layOut(chart));
}
