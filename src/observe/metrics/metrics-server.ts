/** Serves an agent's metrics over HTTP, and whether it lives and is ready, for Prometheus and for whoever runs the process. */
import { type FastifyReply, fastify } from 'fastify';
import type { ControlStatus } from '../../ports/control.js';
import { KvferryError } from '../../protocol/errors.js';
import type { DescribeReply } from '../../protocol/operations.js';

export interface Health {
  readonly agent: string;
  readonly state: DescribeReply['state'];
  readonly nats: ControlStatus;
}

export interface MetricsSource {
  readonly contentType: string;
  render(): Promise<string>;
  health(): Health;
}

export interface MetricsServer {
  readonly url: string;
  /** Ends every connection. Idempotent. */
  close(): Promise<void>;
}

/** Who asks is a scraper or two, and a prober. */
const CONNECTIONS_MAX = 64;
const BODY_BYTES_MAX = 1024;
const REQUEST_TIMEOUT_MS = 10_000;
/** A scraper that comes every minute may keep its connection. */
const KEEP_ALIVE_MS = 90_000;

/** An agent that ends what it has begun must not be killed for it. */
const ALIVE: readonly Health['state'][] = ['starting', 'running', 'draining'];

/**
 * `GET /metrics`; `GET /healthz`, 503 when the process should be replaced; `GET /readyz`, 503 when it takes no requests.
 * Rejects `invalid_configuration` when it cannot listen there.
 */
export async function startMetricsServer(
  address: { readonly host: string; readonly port: number },
  source: MetricsSource,
): Promise<MetricsServer> {
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: KEEP_ALIVE_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: true,
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  const answer = (reply: FastifyReply, health: Health, isWell: boolean) => reply.code(isWell ? 200 : 503).send(health);
  app.get('/metrics', async (_, reply) => reply.type(source.contentType).send(await source.render()));
  app.get('/healthz', (_, reply) => {
    const health = source.health();
    return answer(reply, health, ALIVE.includes(health.state));
  });
  app.get('/readyz', (_, reply) => {
    const health = source.health();
    return answer(reply, health, health.state === 'running' && health.nats === 'connected');
  });
  try {
    return { url: await app.listen(address), close: () => app.close() };
  } catch (cause) {
    await app.close();
    const { host, port } = address;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new KvferryError('invalid_configuration', `metrics cannot be served at ${host}:${port}: ${reason}`, {
      field: 'metricsAddress',
      cause,
    });
  }
}
