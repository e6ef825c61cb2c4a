/**
 * The protocol as an AsyncAPI 3 document, made from the schemas and subjects: what the code checks is what the document
 * says. It is written from the view of an agent: it receives operations and sends events.
 */
import { z } from 'zod';
import { auditEvent, sourceReleasedEvent, terminalEvent } from './events.js';
import { faultReply, faultRequest } from './faults.js';
import { arena, endpoint, failure, lengthRun, pageCounts, ranks, sourceRun } from './fields.js';
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

/** Parts that several messages share; everything else is written out where it is used. */
const sharedSchemas = { failure, arena, endpoint, pageCounts, sourceRun, lengthRun, ranks } as const;

const operationSummaries: Record<Operation, string> = {
  put: 'Move a batch of chunks to a decode agent. The answer says that it was accepted; the end comes as an event.',
  cancel: 'End a request, at either of its two agents. Cancelling again changes nothing.',
  acquire: 'Look keys up and lease their pages, in one step. Acquiring again renews the leases.',
  release: 'Give leases back. A page is free when its last lease is gone.',
  status: 'What the agent does at this moment: requests, peers, segments, pages, counters.',
  describe: 'What the agent is: its role, its epoch, its arena, and how it can be reached.',
  attach: 'Make a file of the engine known as source memory.',
  detach: 'Let a source segment go.',
  stage: "Borrow pages of the agent's own source memory.",
  unstage: 'Give borrowed pages back that were not named in a put.',
  inspect: 'Its live actors, with state, deadline and what they wait for, and the map of its pages.',
  journal: 'What has happened at it, as far as it remembers: changes of state, messages, what became of chunks.',
  explain: 'Who holds a request, transfer, key or page, since when, what it waits for, and what has happened to it.',
};

const peerSummaries: Record<PeerOperation, string> = {
  connect: 'Prefill to decode: asks for a remote key, the right to write into the arena until it is revoked.',
  allocate: 'Prefill to decode: asks for pages for one batch. Answered when the request is admitted.',
  commit: 'Prefill to decode: the bytes of these pages have been delivered.',
  abort: 'Prefill to decode: gives a request up. Answered with the recorded end, which may be an earlier one.',
  drained: 'Prefill to decode: no write of this request can land any more.',
  inquire: 'Prefill to decode: asks how a request ended. No `end` in the answer: it has not.',
  handover:
    'Decode to prefill: the writer of joined chunks is gone; asks this request, which has their bytes, to write them.',
  confirm: 'Decode to prefill, after an absence: has the prefill agent announced an end of this request?',
  report: 'To the decode agent of rank 0, which leads a request over several ranks: how another rank is doing.',
  verdict: 'From the decode agent of rank 0 to that of another rank: the whole request has ended.',
  joined: 'Decode to prefill, not answered: every joined chunk of this batch is ready.',
  ended: 'Decode to prefill, not answered: the request has ended and was announced.',
};

/** Of messages about a request. They are no part of the body, and nothing depends on them. */
const traceHeaders: JsonObject = {
  type: 'object',
  description: 'NATS headers, all optional: the trace that the message belongs to, as W3C Trace Context has it.',
  properties: {
    traceparent: { type: 'string', description: 'Trace, span, and whether they are recorded.' },
    tracestate: { type: 'string', description: 'What tracing systems add to that.' },
    baggage: { type: 'string', description: 'What the parties of a trace tell each other; agents only pass it on.' },
  },
};

/** Peer messages that nobody answers: if one is lost, `inquire` finds out. */
const notices: ReadonlySet<PeerOperation> = new Set<PeerOperation>(peerNotices);

const parameters = {
  agent: { description: 'Stable name of the agent.' },
  epoch: { description: 'Epoch of the agent that shall receive the message: 16 hexadecimal digits.' },
  end: { description: 'How the request ended.', enum: ends },
} as const satisfies Record<string, JsonObject>;

/** The whole document. Pure: the same schemas give the same document. */
export function asyncApiDocument(): AsyncApiDocument {
  const draft = new Draft();
  for (const operation of operations) {
    draft.request(operation, {
      address: subjects.operation('{agent}', operation),
      summary: operationSummaries[operation],
      tag: 'engines and routers',
      ...operationSchemas[operation],
    });
  }
  draft.request('discover', {
    address: subjects.discover,
    summary: 'Ask every agent at once what it is. Each one answers by itself, as to describe.',
    tag: 'engines and routers',
    ...operationSchemas.describe,
  });
  draft.request('fault', {
    address: subjects.fault('{agent}'),
    summary: 'For demonstrations and tests: kill, stop, cut off or slow down an agent that allows it.',
    tag: 'demonstrations and tests',
    request: faultRequest,
    reply: faultReply,
  });
  for (const operation of peerOperations) {
    const { request, reply } = peerSchemas[operation];
    draft.request(operation, {
      address: subjects.peer('{agent}', '{epoch}', operation),
      summary: peerSummaries[operation],
      tag: 'between agents',
      request,
      reply: notices.has(operation) ? undefined : reply,
    });
  }
  draft.event('terminal', {
    address: subjects.terminal('{agent}', '{end}' as (typeof ends)[number]),
    summary: 'A request has ended. Published exactly once for every accepted request.',
    tag: 'events',
    payload: terminalEvent,
  });
  draft.event('sourceReleased', {
    address: subjects.sourceReleased('{agent}'),
    summary: 'The engine may use the source memory of these chunks again. Each chunk is named exactly once.',
    tag: 'events',
    payload: sourceReleasedEvent,
  });
  draft.event('audit', {
    address: subjects.audit('{agent}'),
    summary: 'What has become of chunks, step by step. Only of agents that were told to publish it.',
    tag: 'events',
    payload: auditEvent,
  });
  draft.event('heartbeat', {
    address: subjects.heartbeat('{agent}'),
    summary: 'The agent lives. The last one, when it stops, says leaving.',
    tag: 'between agents',
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

/** Collects the parts of the document under their names. */
class Draft {
  readonly #channels: Record<string, JsonObject> = {};
  readonly #operations: Record<string, JsonObject> = {};
  readonly #messages: Record<string, JsonObject> = {};
  readonly #schemas: Record<string, JsonObject> = {};

  constructor() {
    for (const [name, schema] of Object.entries(sharedSchemas)) this.#schemas[name] = jsonSchemaOf(schema, 'input');
    this.#schemas['traceHeaders'] = traceHeaders;
    this.#message('errorReply', 'The message was refused; nothing was changed by it.', errorReply, 'output');
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
    this.#message(`${name}Reply`, `Answer to ${name}.`, reply, 'output');
    this.#channel(`${name}Answer`, null, `Where the answer to ${name} goes: the reply subject of the request.`, [
      `${name}Reply`,
      'errorReply',
    ]);
    const answer = {
      channel: reference(`channels/${name}Answer`),
      messages: [`${name}Reply`, 'errorReply'].map((id) => reference(`channels/${name}Answer/messages/${id}`)),
    };
    this.#operations[name] = { ...common, channel, messages, reply: answer };
  }

  event(name: string, { address, summary, tag, payload }: EventParts): void {
    this.#message(name, summary, payload, 'output');
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
          `over NATS, at most ${MESSAGE_BYTES_MAX} bytes; a batch has at most ${KEYS_PER_BATCH_MAX} keys. Fields that are`,
          'not listed are refused. The bytes of the KV cache do not travel here: they go by RDMA from memory to memory.',
          'What the messages mean, with examples: docs/protocol.md.',
        ].join(' '),
        license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      },
      defaultContentType: 'application/json',
      servers: {
        nats: { host: 'localhost:4222', protocol: 'nats', description: 'The NATS server that all agents share.' },
      },
      channels: this.#channels,
      operations: this.#operations,
      components: { messages: this.#messages, schemas: this.#schemas },
    };
  }

  #message(name: string, summary: string, schema: z.ZodType, io: 'input' | 'output'): void {
    const json = jsonSchemaOf(schema, io);
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

/** JSON Schema of a zod schema. Requests are described as sent (defaults may be left out), all else as received. */
function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonObject {
  const names = new Map<unknown, string>(Object.entries(sharedSchemas).map(([name, shared]) => [shared, name]));
  names.delete(schema);
  const json = z.toJSONSchema(schema, {
    target: 'draft-7',
    io,
    override: ({ zodSchema, jsonSchema, path }) => {
      // A bound that only says "an exact integer" tells a reader nothing.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      const name = names.get(zodSchema);
      if (name === undefined || path.length === 0) return;
      for (const property of Object.keys(jsonSchema)) delete jsonSchema[property];
      jsonSchema.$ref = `#/components/schemas/${name}`;
    },
  });
  const { $schema: _, ...rest } = json;
  return tidy(rest as JsonObject) as JsonObject;
}

/** `{ allOf: [{ $ref }] }`, as described shared parts come, says no more than the reference. */
function tidy(value: Json): Json {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(tidy);
  const { allOf, ...others } = value as JsonObject;
  if (Array.isArray(allOf) && allOf.length === 1 && Object.keys(others).length === 0) return tidy(allOf[0] as Json);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, tidy(part)]));
}
