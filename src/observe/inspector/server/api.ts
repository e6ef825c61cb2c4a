/** The inspector's HTTP API (`feed.ts` lists it). */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { KvferryError } from '../../../protocol/errors.js';
import { agentName } from '../../../protocol/fields.js';
import { FAULT_MS_MAX } from '../../../protocol/limits.js';
import { machineNames } from '../../../protocol/observation.js';
import { type ChartView, type ClusterView, faults, paths, type RequestDetail } from '../feed.js';
import type { Source } from '../source.js';

const ROWS_DEFAULT = 200;
const REQUESTS_MAX = 5000;
const ENTRIES_DEFAULT = 1000;
const ENTRIES_MAX = 20_000;
const TEXT_MAX = 512;

const text = z.string().min(1).max(TEXT_MAX).optional();
const time = z.coerce.number().optional();
const limit = (fallback: number, max: number) => z.coerce.number().int().min(1).max(max).default(fallback);

const clusterQuery = z.strictObject({ atMs: time });
const requestsQuery = z.strictObject({
  text,
  agent: text,
  state: text,
  reason: text,
  atMs: time,
  limit: limit(ROWS_DEFAULT, REQUESTS_MAX),
});
const actorsQuery = z.strictObject({
  agent: text,
  request: text,
  actor: text,
  machine: z.enum(machineNames).optional(),
  atMs: time,
});
const entriesQuery = z.strictObject({
  agent: text,
  actor: text,
  request: text,
  fromMs: time,
  toMs: time,
  limit: limit(ENTRIES_DEFAULT, ENTRIES_MAX),
});
const explainQuery = z.strictObject({
  about: z.enum(['request', 'transfer', 'key', 'page']),
  name: z.string().min(1).max(TEXT_MAX),
  agent: text,
  atMs: time,
});
const faultOrder = z.strictObject({
  agent: agentName,
  fault: z.enum(faults),
  forMs: z.int().min(1).max(FAULT_MS_MAX).exactOptional(),
});
const requestPath = z.strictObject({ epoch: z.string(), request: z.string() });

export function serveApi(app: FastifyInstance, source: Source, charts: Promise<readonly ChartView[]>): void {
  const { history } = source;

  /** A request counts as a viewer. */
  const looking = async <T>(answer: () => T | Promise<T>): Promise<T> => {
    const watch = source.watch();
    try {
      await source.ready();
      return await answer();
    } finally {
      watch.close();
    }
  };

  app.get(paths.charts, () => charts);

  app.get(paths.cluster, ({ query }) =>
    looking((): ClusterView => {
      const view = history.cluster(checked(clusterQuery, query).atMs);
      if (view !== undefined) return view;
      throw new NotFound('invalid_field', 'that time is not in the history', 'atMs');
    }),
  );

  app.get(paths.requests, ({ query }) =>
    looking(() => {
      const { atMs, limit, ...wanted } = checked(requestsQuery, query);
      return history.requests(wanted, limit, atMs);
    }),
  );

  app.get(`${paths.requests}/:epoch/:request`, ({ params, query }) =>
    looking((): RequestDetail => {
      const { epoch, request: id } = checked(requestPath, params);
      const { atMs } = checked(clusterQuery, query);
      const request = history.request(epoch, id, atMs);
      if (request === undefined) throw new NotFound('unknown_request', `request ${id} is not in the history`);
      return { request, entries: history.entries({ epoch, request: id, toMs: atMs }, ENTRIES_MAX) };
    }),
  );

  app.get(paths.actors, ({ query }) =>
    looking(async () => {
      const { atMs, ...wanted } = checked(actorsQuery, query);
      return source.actors(wanted, atMs);
    }),
  );

  app.get(paths.entries, ({ query }) =>
    looking(() => {
      const { limit, ...wanted } = checked(entriesQuery, query);
      return history.entries(wanted, limit);
    }),
  );

  app.get(paths.explain, ({ query }) =>
    looking(() => {
      const { atMs, ...wanted } = checked(explainQuery, query);
      return source.explain(wanted, atMs);
    }),
  );

  app.post(paths.faults, async ({ body }) => {
    if (source.fault === undefined) {
      const message = 'faults are not allowed: start the inspector with --allow-faults';
      throw new KvferryError('faults_not_allowed', message);
    }
    return source.fault(checked(faultOrder, body));
  });
}

/** The named object does not exist; the request itself is valid. */
export class NotFound extends KvferryError {
  constructor(code: 'invalid_field' | 'unknown_request', message: string, field?: string) {
    super(code, message, field === undefined ? {} : { field });
  }
}

function checked<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue?.path.join('.') ?? '';
  throw new KvferryError('invalid_field', `${field}: ${issue?.message}`, { field, cause: result.error });
}
