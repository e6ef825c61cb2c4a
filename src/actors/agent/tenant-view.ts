/**
 * The agent as one tenant sees it (P32). Inside, each name has its tenant in front. `entering` puts it there, and `leaving` takes it
 * away and leaves out what belongs to others. So what another tenant has is simply not known.
 */
import type { Body } from '../../protocol/body.js';
import { defined } from '../../protocol/defined.js';
import { invalidField, KvferryError } from '../../protocol/errors.js';
import { tenantName } from '../../protocol/fields.js';
import type { OperationReply } from '../../protocol/operations.js';
import type { Operation } from '../../protocol/subjects.js';
import { ALL_TENANTS, fullName, keyWithSpace, ownKey, ownName } from '../../protocol/tenants.js';

/** What an operator may ask for all tenants. Everything else belongs to one. */
const FOR_OPERATORS: ReadonlySet<string> = new Set<Operation>([
  ...(['status', 'describe', 'inspect', 'journal', 'explain', 'cancel'] as const),
]);

/** Fields that name what belongs to a tenant. */
const NAMES = ['request', 'segment', 'session', 'holder'] as const;

interface Named {
  readonly request?: string;
  readonly segment?: string;
  readonly session?: string;
  readonly holder?: string;
}

/** Throws `invalid_field` when the subject names no tenant, or an operation that no operator asks for all tenants. */
export function requireTenant(tenant: string, operation: string): void {
  if (tenant === ALL_TENANTS ? FOR_OPERATORS.has(operation) : tenantName.safeParse(tenant).success) return;
  throw invalidField('subject', `the subject of ${operation} must name a tenant`);
}

/** The message with the names that the agent uses inside. */
export function entering<R extends object>(tenant: string, request: R): R {
  const named = withNames(request, (name, field) => fullName(tenant, name, field));
  const { source, after } = request as { source?: readonly Named[]; after?: Named };
  return {
    ...named,
    ...(source === undefined ? {} : { source: enteringSource(tenant, source) }),
    ...(after === undefined
      ? {}
      : { after: withNames(after, (name, field) => fullName(tenant, name, `after.${field}`)) }),
  };
}

/** Thousands of runs, which mostly have the segment of the run before. */
function enteringSource(tenant: string, source: readonly Named[]): Named[] {
  let last: string | undefined;
  let lastFull = '';
  return source.map((run, index) =>
    withNames(run, (name, field) => {
      if (name !== last) {
        lastFull = fullName(tenant, name, `source[${index}].${field}`);
        last = name;
      }
      return lastFull;
    }),
  );
}

/** The answer with the names that the tenant uses. Other rows than its own were left out when the answer was made. */
export function leaving<R extends object>(tenant: string, operation: string, reply: R): R {
  const view = views[operation as Operation];
  return view === undefined ? reply : (view(reply as never, tenant === ALL_TENANTS ? whole : own) as R);
}

/** A refusal with the names that the tenant uses. */
export function refusing(tenant: string, error: unknown): unknown {
  if (tenant === ALL_TENANTS || !(error instanceof KvferryError)) return error;
  const { code, message, field, cause, details } = error;
  if (details.session === undefined) return error;
  const own = { ...details, session: ownName(details.session) };
  return new KvferryError(code, message, { ...defined({ field }), cause, details: own });
}

/** How names and keys are shown. */
interface Shown {
  name(name: string): string;
  key(key: string): string;
}

/** To a tenant: as it gave them. */
const own: Shown = { name: ownName, key: ownKey };
/** To operators: with the tenant. */
const whole: Shown = { name: (name) => name, key: keyWithSpace };

type View<O extends Operation> = (reply: Body<OperationReply<O>>, shown: Shown) => object;

const views: { readonly [O in Operation]?: View<O> } = {
  acquire: (reply, { key }) => ({ ...reply, keys: reply.keys.map(key), missing: reply.missing.map(key) }),
  sources: (reply, { name }) => ({
    ...reply,
    batches: reply.batches.map((row) => withNames(row, name)),
    ...(reply.next === undefined ? {} : { next: withNames(reply.next, name) }),
  }),
  status: (reply, { name }) => ({
    ...reply,
    segments: reply.segments.map((row) => withNames(row, name)),
    sessions: reply.sessions.map((row) => withNames(row, name)),
    requests: reply.requests.map((row) => withNames(row, name)),
  }),
  inspect: (reply, { name }) => ({ ...reply, actors: reply.actors.map((row) => withNames(row, name)) }),
  journal: (reply, shown) => ({ ...reply, entries: reply.entries.map((row) => entry(row, shown)) }),
  explain: (reply, shown) => ({
    ...reply,
    explanations: reply.explanations.map((one) => ({
      ...one,
      name: shown.key(one.name),
      holders: one.holders.map((row) => withNames(row, shown.name)),
      trail: one.trail.map((row) => entry(row, shown)),
    })),
  }),
};

function entry<R extends object>(row: R, { name, key }: Shown): R {
  const { keys } = row as { keys?: readonly string[] };
  const named = withNames(row, name);
  return keys === undefined ? named : { ...named, keys: keys.map(key) };
}

function withNames<R extends object>(row: R, change: (name: string, field: string) => string): R {
  let changed: Record<string, string> | undefined;
  for (const field of NAMES) {
    const name = (row as Named)[field];
    if (typeof name !== 'string') continue;
    const shown = change(name, field);
    if (shown === name) continue;
    changed ??= {};
    changed[field] = shown;
  }
  return changed === undefined ? row : { ...row, ...changed };
}
