/** Metrics of the Node process: processor, memory, event loop, garbage collection. */
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';

/** Gauges with the names of counters, which promtool refuses. Other gauges give the same values by type. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

export function addRuntimeMetrics(registry: Registry, version: string): void {
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const build = new Gauge({
    name: 'kvferry_build_info',
    help: 'Always 1. The labels are the versions of kvferry and Node.',
    labelNames: ['version', 'node'],
    registers: [registry],
  });
  build.set({ version, node: process.version }, 1);
}
