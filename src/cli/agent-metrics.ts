/** Serves the metrics of the agent in this process. Loads the metrics code only when metrics are on. */
import type { Logger } from 'pino';
import type { Agent } from '../actors/agent/agent-actor.js';
import type { AgentConfig } from '../config/agent-config.js';
import type { ControlStatus } from '../ports/control.js';

export interface ServedMetrics extends AsyncDisposable {
  /** Measures this agent. Call it before the agent starts. */
  watch(agent: Agent): void;
}

const notServed: ServedMetrics = {
  watch: () => undefined,
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/** Rejects `invalid_configuration` when it cannot listen at `metricsAddress`. */
export async function serveMetrics(config: AgentConfig, version: string, logger: Logger): Promise<ServedMetrics> {
  const { metricsAddress: address, agentId, role } = config;
  if (address === undefined) return notServed;
  const { AgentMetrics } = await import('../observe/metrics/agent-metrics.js');
  const { startMetricsServer } = await import('../observe/metrics/metrics-server.js');
  const metrics = new AgentMetrics({ agent: agentId, role, version });
  let agent: Agent | undefined;
  let nats: ControlStatus = 'disconnected';
  const server = await startMetricsServer(address, {
    contentType: metrics.contentType,
    render: () => metrics.render(agent?.overview()),
    health: () => ({
      agent: agentId,
      state: agent?.state ?? 'starting',
      nats,
      ...(agent?.hasLastingTwin ? { twin: true as const } : {}),
    }),
  });
  logger.info({ url: `${server.url}/metrics`, bound: server.bound }, 'metrics listening');
  return {
    watch: (watched) => {
      agent = watched;
      const changed = (status: ControlStatus) => {
        nats = status;
        metrics.natsChanged(status);
      };
      changed('connected');
      // Connected is an agent that NATS serves: its own heartbeats come back.
      watched.onLine((isUp) => changed(isUp ? 'connected' : 'disconnected'));
      agent.journal.onEvent((event) => metrics.observe(event));
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}
