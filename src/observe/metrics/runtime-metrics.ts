/** What every Node process can say of itself: processor, memory, event loop, garbage collection. */
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';

/** Gauges whose names end as those of counters do, which Prometheus's own check refuses. Others have the same per type. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

export function addRuntimeMetrics(registry: Registry, version: string): void {
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const build = new Gauge({
    name: 'kvferry_build_info',
    help: 'Always 1: the version of the program, and of Node.',
    labelNames: ['version', 'node'],
    registers: [registry],
  });
  build.set({ version, node: process.version }, 1);
}
