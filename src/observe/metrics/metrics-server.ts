/** Serves metrics, health and readiness over HTTP, for Prometheus and for the process supervisor. */
import type { AddressInfo } from 'node:net';
import { type FastifyReply, fastify } from 'fastify';
import type { ControlStatus } from '../../ports/control.js';
import { KvferryError } from '../../protocol/errors.js';
import type { DescribeReply } from '../../protocol/operations.js';

export interface Health {
  readonly agent: string;
  readonly state: DescribeReply['state'];
  readonly nats: ControlStatus;
  /** Another process has run under the name of the agent for some time: requests reach both. */
  readonly twin?: true;
}

export interface MetricsSource {
  readonly contentType: string;
  render(): Promise<string>;
  health(): Health;
}

export interface MetricsServer {
  /** Where a program on this host reaches it. */
  readonly url: string;
  /** The address and port that it is bound to. */
  readonly bound: string;
  /** Ends every connection. Idempotent. */
  close(): Promise<void>;
}

/** Clients are one or two scrapers and a prober. */
const CONNECTIONS_MAX = 64;
const BODY_BYTES_MAX = 1024;
const REQUEST_TIMEOUT_MS = 10_000;
/** A scraper with an interval of a minute keeps its connection. */
const KEEP_ALIVE_MS = 90_000;

/** A draining agent is healthy, so that its supervisor does not kill it. */
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
    return answer(reply, health, health.state === 'running' && health.nats === 'connected' && health.twin !== true);
  });
  try {
    const url = await app.listen(address);
    const bound = app.server.address() as AddressInfo;
    return { url, bound: formatBound(bound), close: () => app.close() };
  } catch (cause) {
    await app.close();
    const { host, port } = address;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new KvferryError('invalid_configuration', `cannot serve metrics at ${host}:${port}: ${reason}`, {
      field: 'metricsAddress',
      cause,
    });
  }
}

/** As a listen address is written, because `url` names the loopback address for a server that is bound to every address. */
function formatBound({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
