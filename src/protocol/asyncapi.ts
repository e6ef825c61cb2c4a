/**
 * The protocol as an AsyncAPI 3 document, made from the schemas and subjects that the agents check messages with. The
 * document takes the view of an agent, which receives operations and sends events.
 */
import { z } from 'zod';
import { auditEvent, sourceReleasedEvent, terminalEvent } from './events.js';
import { faultReply, faultRequest } from './faults.js';
import { arena, deviceMemory, endpoint, failure, lengthRun, pageCounts, pieces, ranks, sourceRun } from './fields.js';
import { KEYS_PER_BATCH_MAX, MESSAGE_BYTES_MAX, PROTOCOL_VERSION } from './limits.js';
import { errorReply, operationSchemas } from './operations.js';
import { heartbeat, peerSchemas } from './peer-messages.js';
import {
  ends,
  type Operation,
  operations,
  type PeerOperation,
  peerNotices,
  peerOperations,
  subjects,
} from './subjects.js';

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
type JsonObject = { readonly [name: string]: Json };

export interface AsyncApiDocument {
  readonly asyncapi: '3.0.0';
  readonly info: JsonObject;
  readonly defaultContentType: string;
  readonly servers: JsonObject;
  readonly channels: Readonly<Record<string, JsonObject>>;
  readonly operations: Readonly<Record<string, JsonObject>>;
  readonly components: {
    readonly messages: Readonly<Record<string, JsonObject>>;
    readonly schemas: Readonly<Record<string, JsonObject>>;
  };
}

/** Schemas that several messages share. Every other schema is written out where it is used. */
const sharedSchemas = {
  failure,
  arena,
  deviceMemory,
  endpoint,
  pageCounts,
  sourceRun,
  pieces,
  lengthRun,
  ranks,
} as const;

/** Those that are in answers and events only. They may get new fields within a version. */
const openSchemas: ReadonlySet<z.ZodType> = new Set<z.ZodType>([failure, arena, endpoint, pageCounts]);

/** `input`: read by an agent, as it is sent. `output`: read by an agent, as it arrives. `open`: read by all other programs. */
type Reading = 'input' | 'output' | 'open';

/** The tag of what only agents read. They refuse unknown fields there too. */
const BETWEEN_AGENTS = 'between agents';

const operationSummaries: Record<Operation, string> = {
  put: 'Moves a batch of chunks to a decode agent. The answer confirms that the batch is accepted. The end is an event.',
  route:
    'Names the receiver of a request that was put without one. Its chunks are sent then, once, to the first receiver.',
  cancel: 'Ends a request, at either of its two agents. A second cancel changes nothing.',
  acquire: 'Looks keys up and leases their pages, in one step. A second acquire renews the leases.',
  release: 'Ends leases. A page is free when its last lease has ended.',
  lookup:
    'Returns how long a prefix of a prompt the agent has in its arena, and how much it has to do. Leases nothing.',
  status: 'Returns the current requests, peers, segments, pages and counters of the agent.',
  describe: 'Returns the role, epoch and arena of the agent, and how other agents can reach it.',
  attach: 'Registers a file of the engine as source memory.',
  detach: 'Removes a source segment.',
  stage: "Lends pages of the agent's own source memory to an engine.",
  unstage: 'Gives lent pages back that were not named in a put.',
  sources: 'Returns the chunks of source memory that the agent may still read. It reads nothing else.',
  open: 'Opens a session of an engine: its orders are executed in the order of their numbers, each at most once.',
  renew: 'Shows that the engine of a session lives. Orders and barriers of the session do too.',
  barrier: 'Answers when no order with a smaller number is executed any more, now or later.',
  end: 'Ends a session: cancels its requests and gives its segments and staging pages back.',
  inspect:
    'Returns the live actors of the agent, with state, deadline and what they wait for, and the states of its pages.',
  journal: 'Returns past state changes, messages and steps of the store, as far as the agent keeps them.',
  explain: 'Explains a request, transfer, key or page: its state, what it waits for, what holds it, and its history.',
};

const peerSummaries: Record<PeerOperation, string> = {
  ping: 'Agent to agent: asks whether this process lives. A refusal is an answer too.',
  yield: 'New process of an agent to the draining one: asks for the name. Engines and routers reach the new one then.',
  connect: 'Prefill to decode: requests a remote key, the right to write into the arena until it is revoked.',
  allocate: 'Prefill to decode: requests pages for one batch. Answered at once, with or without pages.',
  commit: 'Prefill to decode: the bytes of these pages are delivered.',
  abort: 'Prefill to decode: gives a request up. Answered with the recorded end, which may be an earlier one.',
  drained: 'Prefill to decode: no write of this request can land any more.',
  inquire: 'Prefill to decode: asks how a request ended, and what became of batches that wait.',
  handover:
    'Decode to prefill: the writer of joined chunks failed, so this request, which has their bytes, writes them.',
  confirm: 'Decode to prefill: asks it to agree to the end of a request, unless it has announced one.',
  report: 'To the decode agent of rank 0, the lead of a request over several ranks: the progress of another rank.',
  appeal: 'To the prefill agent of rank 0: the lead of the ranks is gone. It announces the end in its place.',
  admit:
    'From the decode agent of rank 0 to the decode agent of other ranks: it is their turn to be admitted, together.',
  prepare: 'From the decode agent of rank 0 to the decode agent of another rank, before `ready`: is the rank complete?',
  verdict: 'From the decode agent of rank 0 to the decode agent of another rank: the whole request has ended.',
  allocated: 'Decode to prefill, no answer: a batch that waited for pages is admitted.',
  joined: 'Decode to prefill, no answer: every joined chunk of this batch is ready.',
  ended: 'Decode to prefill, no answer: the request has ended and its end is announced.',
};

/** Headers of messages about a request. They are not part of the body, and no decision depends on them. */
const traceHeaders: JsonObject = {
  type: 'object',
  description: 'Optional NATS headers that name the trace of the message, as in W3C Trace Context.',
  properties: {
    traceparent: { type: 'string', description: 'Trace id, span id and sampling decision.' },
    tracestate: { type: 'string', description: 'Vendor data of the tracing system.' },
    baggage: { type: 'string', description: 'Baggage of the trace. Agents pass it on unchanged.' },
  },
};

/** Peer messages without an answer. If one is lost, the prefill agent finds out with `inquire`. */
const notices: ReadonlySet<PeerOperation> = new Set<PeerOperation>(peerNotices);

const parameters = {
  agent: { description: 'Name of the agent. It stays the same over restarts.' },
  tenant: { description: 'Tenant that asks, or that the event is for. `default` if the cluster has only one.' },
  epoch: { description: 'Epoch of the addressee: 16 hexadecimal digits.' },
  from: { description: 'Name of the agent that sends the message. NATS permissions let it name only itself.' },
  end: { description: 'How the request ended.', enum: ends },
} as const satisfies Record<string, JsonObject>;

/** Builds the whole document. Pure: the same schemas give the same document. */
export function asyncApiDocument(): AsyncApiDocument {
  const draft = new Draft();
  for (const operation of operations) {
    draft.request(operation, {
      address: subjects.operation('{agent}', '{tenant}', operation),
      summary: operationSummaries[operation],
      tag: 'engines and routers',
      ...operationSchemas[operation],
    });
  }
  draft.request('discover', {
    address: subjects.discover,
    summary: 'Asks all agents at once. Every agent answers, with the reply of describe.',
    tag: 'engines and routers',
    ...operationSchemas.describe,
  });
  draft.request('lookupAll', {
    address: subjects.lookup('{tenant}'),
    summary:
      'Asks all agents at once which prefix of a prompt they have. Every agent answers, with the reply of lookup.',
    tag: 'engines and routers',
    ...operationSchemas.lookup,
  });
  draft.request('fault', {
    address: subjects.fault('{agent}'),
    summary: 'For demonstrations and tests: kills, stops, disconnects or slows down an agent that allows it.',
    tag: 'demonstrations and tests',
    request: faultRequest,
    reply: faultReply,
  });
  for (const operation of peerOperations) {
    const { request, reply } = peerSchemas[operation];
    draft.request(operation, {
      address: subjects.peer('{agent}', '{epoch}', '{from}', operation),
      summary: peerSummaries[operation],
      tag: BETWEEN_AGENTS,
      request,
      reply: notices.has(operation) ? undefined : reply,
    });
  }
  draft.event('terminal', {
    address: subjects.terminal('{agent}', '{tenant}', '{end}' as (typeof ends)[number]),
    summary:
      'A request has ended. Published once for every accepted request; docs/guide/protocol.md lists the exceptions.',
    tag: 'events',
    payload: terminalEvent,
  });
  draft.event('sourceReleased', {
    address: subjects.sourceReleased('{agent}', '{tenant}'),
    summary:
      'The engine may use the source memory of these chunks again. The agent names each chunk in one event only.',
    tag: 'events',
    payload: sourceReleasedEvent,
  });
  draft.event('audit', {
    address: subjects.audit('{agent}'),
    summary: 'The steps of chunks in the store. Published by agents that were started with --audit-interval-ms.',
    tag: 'events',
    payload: auditEvent,
  });
  draft.event('heartbeat', {
    address: subjects.heartbeat('{agent}'),
    summary: 'The agent is alive. In the last heartbeat of a stopping agent, `leaving` is true.',
    tag: BETWEEN_AGENTS,
    payload: heartbeat,
  });
  return draft.document();
}

interface RequestParts {
  readonly address: string;
  readonly summary: string;
  readonly tag: string;
  readonly request: z.ZodType;
  readonly reply: z.ZodType | undefined;
}

interface EventParts {
  readonly address: string;
  readonly summary: string;
  readonly tag: string;
  readonly payload: z.ZodType;
}

/** Collects the parts of the document by name. */
class Draft {
  readonly #channels: Record<string, JsonObject> = {};
  readonly #operations: Record<string, JsonObject> = {};
  readonly #messages: Record<string, JsonObject> = {};
  readonly #schemas: Record<string, JsonObject> = {};

  constructor() {
    for (const [name, schema] of Object.entries(sharedSchemas)) {
      this.#schemas[name] = jsonSchemaOf(schema, openSchemas.has(schema) ? 'open' : 'input');
    }
    this.#schemas['traceHeaders'] = traceHeaders;
    this.#message('errorReply', 'The agent refused the message. The message changed nothing.', errorReply, 'open');
  }

  request(name: string, { address, summary, tag, request, reply }: RequestParts): void {
    this.#message(`${name}Request`, summary, request, 'input');
    this.#channel(name, address, summary, [`${name}Request`]);
    const common = { action: 'receive', title: name, summary, tags: [{ name: tag }] };
    const channel = reference(`channels/${name}`);
    const messages = [reference(`channels/${name}/messages/${name}Request`)];
    if (reply === undefined) {
      this.#operations[name] = { ...common, channel, messages };
      return;
    }
    this.#message(`${name}Reply`, `Answer to ${name}.`, reply, tag === BETWEEN_AGENTS ? 'output' : 'open');
    this.#channel(`${name}Answer`, null, `The reply subject of the ${name} request.`, [`${name}Reply`, 'errorReply']);
    const answer = {
      channel: reference(`channels/${name}Answer`),
      messages: [`${name}Reply`, 'errorReply'].map((id) => reference(`channels/${name}Answer/messages/${id}`)),
    };
    this.#operations[name] = { ...common, channel, messages, reply: answer };
  }

  event(name: string, { address, summary, tag, payload }: EventParts): void {
    this.#message(name, summary, payload, tag === BETWEEN_AGENTS ? 'output' : 'open');
    this.#channel(name, address, summary, [name]);
    this.#operations[name] = {
      action: 'send',
      title: name,
      summary,
      tags: [{ name: tag }],
      channel: reference(`channels/${name}`),
      messages: [reference(`channels/${name}/messages/${name}`)],
    };
  }

  document(): AsyncApiDocument {
    return {
      asyncapi: '3.0.0',
      info: {
        title: 'kvferry',
        version: `${PROTOCOL_VERSION}.0.0`,
        description: [
          'Messages of kvferry, which moves LLM KV cache from prefill to decode servers. Bodies are JSON text in UTF-8',
          `over NATS, at most ${MESSAGE_BYTES_MAX} bytes. A batch has at most ${KEYS_PER_BATCH_MAX} keys. Agents refuse`,
          'fields that are not listed. Answers to engines and routers, and events, may get new fields within a version: skip',
          'those that you do not know. The bytes of the KV cache do not travel through NATS: they go from memory to memory.',
          'Meaning and examples of all messages: docs/reference/protocol.md.',
        ].join(' '),
        license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      },
      defaultContentType: 'application/json',
      servers: {
        nats: {
          host: 'localhost:4222',
          protocol: 'nats',
          description:
            'The NATS server that all agents share. With keys: TLS, a creds file, a private inbox (docs/guide/keys.md).',
        },
      },
      channels: this.#channels,
      operations: this.#operations,
      components: { messages: this.#messages, schemas: this.#schemas },
    };
  }

  #message(name: string, summary: string, schema: z.ZodType, reading: Reading): void {
    const json = jsonSchemaOf(schema, reading);
    this.#schemas[name] = json;
    const { request } = Object(json['properties']) as { readonly request?: Json };
    const headers = request === undefined ? {} : { headers: reference('components/schemas/traceHeaders') };
    this.#messages[name] = { name, title: name, summary, ...headers, payload: reference(`components/schemas/${name}`) };
  }

  #channel(name: string, address: string | null, summary: string, messages: readonly string[]): void {
    const used = Object.entries(parameters).filter(([parameter]) => address?.includes(`{${parameter}}`));
    this.#channels[name] = {
      address,
      title: name,
      summary,
      messages: Object.fromEntries(messages.map((id) => [id, reference(`components/messages/${id}`)])),
      ...(used.length === 0 ? {} : { parameters: Object.fromEntries(used) }),
    };
  }
}

function reference(path: string): JsonObject {
  return { $ref: `#/${path}` };
}

/** JSON Schema of a zod schema. Requests are described as sent (defaults may be omitted), all others as received. */
function jsonSchemaOf(schema: z.ZodType, reading: Reading): JsonObject {
  const names = new Map<unknown, string>(Object.entries(sharedSchemas).map(([name, shared]) => [shared, name]));
  names.delete(schema);
  const json = z.toJSONSchema(schema, {
    target: 'draft-7',
    io: reading === 'input' ? 'input' : 'output',
    // A column is described by its `meta`.
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema, path }) => {
      // The bound that zod adds to every integer means nothing to a reader.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (reading === 'open' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
      const name = names.get(zodSchema);
      if (name === undefined || path.length === 0) return;
      for (const property of Object.keys(jsonSchema)) delete jsonSchema[property];
      jsonSchema.$ref = `#/components/schemas/${name}`;
    },
  });
  const { $schema: _, ...rest } = json;
  return tidy(rest as JsonObject) as JsonObject;
}

/** Replaces `{ allOf: [{ $ref }] }`, which zod writes for a shared schema with a description, by the reference. */
function tidy(value: Json): Json {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(tidy);
  const { allOf, ...others } = value as JsonObject;
  if (Array.isArray(allOf) && allOf.length === 1 && Object.keys(others).length === 0) return tidy(allOf[0] as Json);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, tidy(part)]));
}
