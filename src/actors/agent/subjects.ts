/** Which part of an agent serves which subject. An agent whose role lacks that part refuses the operation. */
import type { z } from 'zod';
import type { ControlSubscription } from '../../ports/control.js';
import type { SegmentSource } from '../../ports/fabric.js';
import type { Body } from '../../protocol/body.js';
import { unknownRequest } from '../../protocol/codec.js';
import { invalidField, KvferryError } from '../../protocol/errors.js';
import { agentName } from '../../protocol/fields.js';
import { type OperationRequest, operationSchemas } from '../../protocol/operations.js';
import { peerSchemas } from '../../protocol/peer-messages.js';
import { type End, lookingTenant, operationOf, senderOf, subjects } from '../../protocol/subjects.js';
import { requireOwner } from '../peers/require-owner.js';
import type { Receiver } from '../receiving/receiver.js';
import type { Sender } from '../sending/sender.js';
import type { AgentParts } from './agent-parts.js';
import { type Handlers, type Schemas, type Sent, serve, servePrevious } from './service.js';
import { describe, explanations, inspect, journal, lookup, status } from './status.js';
import { entering, leaving, refusing, requireTenant } from './tenant-view.js';

type Handle<Part, Request, Reply> = (part: Part, request: Request, from: string) => Reply | Promise<Reply>;

/** One line of a table: the part that serves an operation, and how. */
type Served<Request, Reply> =
  | { readonly by: 'agent'; readonly handle: Handle<AgentParts, Request, Reply> }
  | { readonly by: 'sender'; readonly handle: Handle<Sender, Request, Reply> }
  | { readonly by: 'receiver'; readonly handle: Handle<Receiver, Request, Reply> };

type Table<S extends Schemas> = {
  readonly [Operation in keyof S]: Served<z.infer<S[Operation]['request']>, Body<z.infer<S[Operation]['reply']>>>;
};

/** From engines, routers and operators. `from` is the tenant for which they ask (P32). */
const operations: Table<typeof operationSchemas> = {
  describe: { by: 'agent', handle: describe },
  status: { by: 'agent', handle: status },
  lookup: { by: 'agent', handle: lookup },
  inspect: { by: 'agent', handle: inspect },
  journal: { by: 'agent', handle: journal },
  explain: { by: 'agent', handle: explanations },
  cancel: { by: 'agent', handle: cancel },
  put: { by: 'sender', handle: (sender, request) => sender.put(request) },
  route: { by: 'sender', handle: (sender, request) => sender.route(request) },
  attach: { by: 'sender', handle: attach },
  detach: { by: 'sender', handle: detach },
  stage: { by: 'sender', handle: (sender, request) => sender.stage(request) },
  unstage: { by: 'sender', handle: unstage },
  sources: { by: 'sender', handle: (sender, request, tenant) => sender.sources(request, tenant) },
  open: { by: 'sender', handle: (sender, request) => sender.open(request) },
  renew: { by: 'sender', handle: ({ sessions }, request) => sessions.renew(request) },
  barrier: { by: 'sender', handle: ({ sessions }, request) => sessions.barrier(request) },
  end: { by: 'sender', handle: ({ sessions }, request) => sessions.end(request) },
  acquire: { by: 'receiver', handle: (receiver, request) => receiver.acquire(request) },
  release: { by: 'receiver', handle: (receiver, request) => receiver.release(request) },
};

/** From other agents. `from` is the one that the subject names (P31). */
const peerMessages: Table<typeof peerSchemas> = {
  ping: { by: 'agent', handle: () => ({}) },
  yield: { by: 'agent', handle: yieldName },
  confirm: { by: 'sender', handle: ({ fromReceivers }, request, from) => fromReceivers.confirm(request, from) },
  appeal: { by: 'sender', handle: ({ fromReceivers }, request, from) => fromReceivers.appeal(request, from) },
  handover: { by: 'sender', handle: ({ fromReceivers }, request, from) => fromReceivers.handOver(request, from) },
  allocated: { by: 'sender', handle: ({ fromReceivers }, notice, from) => fromReceivers.allocated(notice, from) },
  joined: { by: 'sender', handle: ({ fromReceivers }, notice, from) => fromReceivers.joined(notice, from) },
  ended: { by: 'sender', handle: ({ fromReceivers }, notice, from) => fromReceivers.ended(notice, from) },
  connect: { by: 'receiver', handle: (receiver, request, from) => receiver.connect(request, from) },
  allocate: { by: 'receiver', handle: (receiver, request, from) => receiver.allocate(request, from) },
  commit: { by: 'receiver', handle: (receiver, request, from) => receiver.commit(request, from) },
  abort: { by: 'receiver', handle: (receiver, request, from) => receiver.abort(request, from) },
  drained: { by: 'receiver', handle: (receiver, request, from) => receiver.drained(request, from) },
  inquire: { by: 'receiver', handle: (receiver, request, from) => receiver.inquire(request, from) },
  report: { by: 'receiver', handle: (receiver, request, from) => receiver.report(request, from) },
  admit: { by: 'receiver', handle: (receiver, request, from) => receiver.admit(request, from) },
  prepare: { by: 'receiver', handle: (receiver, request, from) => receiver.prepare(request, from) },
  verdict: { by: 'receiver', handle: (receiver, request, from) => receiver.verdict(request, from) },
};

/** Engines, routers and operators speak for a tenant. */
const ofTenants: Sent = {
  operation: operationOf,
  from: senderOf,
  enter: (request, tenant, operation) => {
    requireTenant(tenant, operation);
    return entering(tenant, request);
  },
};

/** Another agent. */
const ofAgents: Sent = {
  operation: operationOf,
  from: senderOf,
  enter: (request, agent) => {
    if (agentName.safeParse(agent).success) return request;
    throw invalidField('subject', 'the subject names no agent as the sender of the message');
  },
};

/** Subscribes to what engines, routers and operators send to the name. The caller closes the subscriptions. */
export function serveName(parts: AgentParts): ControlSubscription[] {
  const { env } = parts;
  const toOne = asTenants(handlersOf(operations, parts));
  const toAll = { lookup: (query: OperationRequest<'lookup'>, tenant: string) => lookup(parts, query, tenant) };
  const looking = { ...ofTenants, operation: () => 'lookup', from: lookingTenant };
  const asking = { ...ofTenants, operation: () => 'discover', enter: <R>(request: R) => request };
  return [
    serve(env, subjects.operations(env.options.agent), operationSchemas, toOne, ofTenants),
    serve(env, subjects.discover, { discover: operationSchemas.describe }, { discover: () => describe(parts) }, asking),
    serve(env, subjects.lookups, { lookup: operationSchemas.lookup }, toAll, looking),
    servePrevious(env),
  ];
}

/** Handlers whose answers and refusals are as the tenant that asks sees them. */
function asTenants<
  H extends { readonly [operation: string]: ((request: never, tenant: string) => object) | undefined },
>(handlers: H): H {
  const wrapped = Object.entries(handlers).map(([operation, handle]) => [
    operation,
    (request: never, tenant: string) => {
      const leave = (reply: object) => leaving(tenant, operation, reply);
      const refuse = (error: unknown) => {
        throw refusing(tenant, error);
      };
      try {
        const reply = handle?.(request, tenant) ?? {};
        return reply instanceof Promise ? reply.then(leave, refuse) : leave(reply);
      } catch (error) {
        return refuse(error);
      }
    },
  ]);
  return Object.fromEntries(wrapped) as H;
}

/** Subscribes to what other agents send to this process. The caller closes the subscription. */
export function serveProcess(parts: AgentParts): ControlSubscription {
  const { env } = parts;
  const subject = subjects.peers(env.options.agent, env.epoch);
  return serve(env, subject, peerSchemas, handlersOf(peerMessages, parts), ofAgents);
}

/** The handlers of the parts that this agent has. */
function handlersOf<S extends Schemas>(table: Table<S>, parts: AgentParts): Partial<Handlers<S>> {
  const servers = { agent: parts, sender: parts.sender, receiver: parts.receiver };
  const handlers: [string, (request: never, from: string) => unknown][] = [];
  for (const [operation, { by, handle }] of Object.entries<Served<never, object>>(table)) {
    const server = servers[by];
    if (server !== undefined) handlers.push([operation, (request, from) => handle(server as never, request, from)]);
  }
  return Object.fromEntries(handlers) as Partial<Handlers<S>>;
}

/** Only another process of the same name asks for it. */
function yieldName({ env, yieldName: giveUp }: AgentParts, _: unknown, from: string): { yielded: boolean } {
  requireOwner(env.options.agent, from, 'the name');
  return { yielded: giveUp() };
}

function attach({ sessions, memory }: Sender, request: OperationRequest<'attach'>) {
  const source = sourceOf(request);
  return sessions.run(request, 'attach', (session) => () => memory.attach(request.segment, source, session));
}

function sourceOf({ path, cuda }: OperationRequest<'attach'>): SegmentSource {
  const source = path ?? cuda;
  if (source === undefined) throw invalidField('path', 'attach names a file (path), or memory of a device (cuda)');
  if (path !== undefined && cuda !== undefined) throw invalidField('cuda', 'attach names path or cuda, not both');
  return source;
}

function detach({ sessions, memory }: Sender, request: OperationRequest<'detach'>) {
  return sessions.run(request, 'detach', (session) => () => memory.detach(request.segment, session));
}

function unstage({ sessions, memory }: Sender, request: OperationRequest<'unstage'>) {
  const { holder, session, offsets } = request;
  return sessions.run(request, 'unstage', () => () => ({ returned: memory.unstage({ holder, session }, offsets) }));
}

/** A cancel does not overtake the puts before it (P20). */
function cancel(parts: AgentParts, request: OperationRequest<'cancel'>): { end?: End } | Promise<{ end?: End }> {
  const { sender } = parts;
  if (request.session !== undefined || request.order !== undefined) {
    if (sender === undefined)
      throw new KvferryError('role_mismatch', 'only prefill agents have sessions', { field: 'session' });
    return sender.sessions.run(request, 'cancel', () => () => cancelNow(parts, request));
  }
  const arrived = sender?.arrived(request.request);
  return arrived === undefined ? cancelNow(parts, request) : arrived.then(() => cancelNow(parts, request));
}

/** An agent with both sides may send a request, receive it, or lead its ranks. */
async function cancelNow(
  { sender, receiver }: AgentParts,
  request: OperationRequest<'cancel'>,
): Promise<{ end?: End }> {
  const answer = sender?.cancel(request) ?? (await receiver?.cancel(request));
  if (answer !== undefined) return answer;
  throw unknownRequest(request.request);
}
