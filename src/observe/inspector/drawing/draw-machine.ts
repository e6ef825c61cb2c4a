/** Draws a machine. The same machine gives the same text on every system. */
import type { AnyStateMachine } from 'xstate';
import { chartOf } from './chart.js';
import { layOut } from './layout.js';
import { paintFile, paintInPage } from './svg.js';

/** The drawing of a machine as a complete SVG file. */
export async function drawMachine(machine: AnyStateMachine): Promise<string> {
  const chart = chartOf(machine);
  return paintFile(chart, await layOut(chart));
}

/** The drawing as SVG for a page with `PAGE_STYLE`. */
export async function drawMachineInPage(machine: AnyStateMachine): Promise<string> {
  const chart = chartOf(machine);
  return paintInPage(chart, await layOut(chart));
}
