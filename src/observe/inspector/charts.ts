/** The drawings of all machines. */
import { drawMachineInPage } from './drawing/draw-machine.js';
import type { ChartView } from './feed.js';
import { machines } from './machines.js';

let drawn: Promise<readonly ChartView[]> | undefined;

/** Drawn once in each process, because the drawings take about a second of processor time. */
export function drawCharts(): Promise<readonly ChartView[]> {
  drawn ??= draw();
  return drawn;
}

async function draw(): Promise<readonly ChartView[]> {
  const charts: ChartView[] = [];
  for (const [machine, definition] of Object.entries(machines)) {
    charts.push({ machine: machine as ChartView['machine'], svg: await drawMachineInPage(definition) });
  }
  return charts;
}
