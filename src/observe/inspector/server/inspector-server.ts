/** The HTTP server of the inspector: its page, feed and API. */
import type { AddressInfo } from 'node:net';
import { type FastifyInstance, fastify } from 'fastify';
import type { Logger } from 'pino';
import { toFailure } from '../../../protocol/codec.js';
import { type ErrorCode, isKvferryError, KvferryError } from '../../../protocol/errors.js';
import { drawCharts } from '../charts.js';
import { paths } from '../feed.js';
import type { Source } from '../source.js';
import { STATELY_PATH, StatelyEndpoint } from '../stately/stately-endpoint.js';
import { NotFound, serveApi } from './api.js';
import { FeedStreams } from './feed-streams.js';
import { isAllowedHost, isNearOrigin, isSameOrigin } from './guard.js';
import { contentSecurityPolicy, PAGE_FOLDER, servePage } from './page-files.js';

const BODY_BYTES_MAX = 4096;
/** Longest part of a URL path, such as a request id, in characters. */
const PARAMETER_MAX = 512;
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

export interface InspectorOptions {
  /** The inspector closes it. */
  readonly source: Source;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly logger?: Logger | undefined;
  /** The relay of Stately's inspector to connect to. */
  readonly statelyRelay?: string | undefined;
  /** Folder of the compiled page; for tests. */
  readonly pageFolder?: string;
}

export interface RunningInspector {
  /** Where a browser on this host reaches it. */
  readonly url: string;
  /** The address and port that it is bound to. */
  readonly bound: string;
  close(): Promise<void>;
}

/** Resolves when it listens. Rejects `invalid_configuration` when it cannot. */
export async function startInspector(options: InspectorOptions): Promise<RunningInspector> {
  const { source, host, port } = options;
  const app = await inspectorApp(options);
  try {
    await app.listen({ host, port });
  } catch (cause) {
    await app.close();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new KvferryError('invalid_configuration', `the inspector cannot listen: ${reason}`, {
      field: 'listen',
      cause,
    });
  }
  const { address, family, port: chosen } = app.server.address() as AddressInfo;
  const named = family === 'IPv6' ? `[${address}]` : address;
  const reached = ['0.0.0.0', '::'].includes(address) ? 'localhost' : named;
  return {
    url: `http://${reached}:${chosen}/`,
    bound: `${named}:${chosen}`,
    close: async () => {
      await app.close();
      await source.close();
    },
  };
}

async function inspectorApp({
  source,
  host,
  logger,
  statelyRelay,
  pageFolder = PAGE_FOLDER,
}: InspectorOptions): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: PARAMETER_MAX },
  });
  const headers = { ...HEADERS, 'content-security-policy': contentSecurityPolicy(pageFolder) };
  const streams = new FeedStreams(source);
  app.removeContentTypeParser('text/plain');
  const stately = new StatelyEndpoint(source);
  if (statelyRelay !== undefined) stately.connect(statelyRelay);
  app.server.on('upgrade', (request, socket, head) => {
    const { host: named, origin } = request.headers;
    const isKnown = request.url === STATELY_PATH && isAllowedHost(named, host) && isNearOrigin(origin, named);
    if (isKnown) stately.upgrade(request, socket, head);
    else socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
  });
  app.addHook('preClose', async () => {
    streams.close();
    stately.close();
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers);
    const { host: named, origin } = request.headers;
    if (!isAllowedHost(named, host)) {
      const failure = {
        code: 'invalid_field',
        message: `the inspector does not answer to host ${named}; open it by its address or by localhost`,
        field: 'host',
      };
      return reply.code(403).send({ error: failure });
    }
    if (!isSameOrigin(origin, named) && request.method !== 'GET' && request.method !== 'HEAD') {
      const failure = {
        code: 'invalid_field',
        message: `requests from ${origin} must not change anything`,
        field: 'origin',
      };
      return reply.code(403).send({ error: failure });
    }
    return undefined;
  });
  app.setErrorHandler((error, request, reply) => {
    const { statusCode } = error as { statusCode?: number };
    const known = isKvferryError(error);
    if (!known && (statusCode === undefined || statusCode >= 500)) {
      logger?.error({ err: error, url: request.url }, 'inspector failed to answer a request');
    }
    return reply.code(known ? statusOf(error) : (statusCode ?? 500)).send({ error: toFailure(error) });
  });
  app.setNotFoundHandler((request, reply) => {
    return reply.code(404).send({ error: { code: 'unknown_operation', message: `${request.url} does not exist` } });
  });
  app.get(paths.feed, (_, reply) => {
    reply.hijack();
    if (!streams.open(reply.raw, headers)) reply.raw.writeHead(503, headers).end();
  });
  const charts = drawCharts();
  // A failure is reported to the client that asks for the charts.
  charts.catch(() => undefined);
  serveApi(app, source, charts);
  await servePage(app, pageFolder);
  return app;
}

function statusOf(error: KvferryError): number {
  if (error instanceof NotFound) return 404;
  return STATUS[error.code] ?? 502;
}

/** Other codes are errors of an agent, or a missing answer. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  invalid_field: 400,
  faults_not_allowed: 403,
  unknown_request: 404,
  no_responders: 404,
  deadline_exceeded: 504,
  disconnected: 503,
};
