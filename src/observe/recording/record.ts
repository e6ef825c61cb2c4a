/**
 * The format of a recording: a header, then a line for each input (`in`, a numbered step) and for each output that
 * followed from it (`out`). docs/replay.md describes the file.
 *
 * Questions (calls with an answer that comes later) and timers are named `<step>.<n>`: the n-th that was asked or set
 * in that step.
 */
import { z } from 'zod';
import type { AgentOptions } from '../../actors/env/agent-options.js';
import { errorCodes } from '../../protocol/errors.js';
import { deviceMemory, provider, role } from '../../protocol/fields.js';
import { MESSAGE_BYTES_MAX } from '../../protocol/limits.js';

export const FORMAT_VERSION = 3;

const endpoint = z.object({ provider, detail: z.string(), address: z.string() });
const memory = z.object({ directory: z.string(), pages: z.number(), pageBytes: z.number() });

/** A new option needs a default here, so that older recordings can be read. */
const agentOptions: z.ZodType<AgentOptions> = z.object({
  agent: z.string(),
  role,
  providers: z.array(provider),
  arena: memory.extend({ device: z.string().optional() }),
  staging: memory,
  heartbeatMs: z.number(),
  connectTimeoutMs: z.number(),
  attemptTimeoutMs: z.number(),
  inquireIntervalMs: z.number(),
  writeDrainTimeoutMs: z.number(),
  shutdownTimeoutMs: z.number(),
  leaseMs: z.number(),
  retainedMax: z.number(),
  sweepIntervalMs: z.number(),
  tombstoneMs: z.number(),
  tombstonesMax: z.number(),
  requestsMax: z.number(),
  encryption: z.enum(['off', 'required']).default('off'),
  segmentsMax: z.number().default(1024),
  tenantShares: z.record(z.string(), z.string()).default({}),
  tenantRequestsMax: z.number().default(0),
  tenantPagesMax: z.number().default(0),
  tenantSegmentsMax: z.number().default(0),
  tenantBytesPerSecond: z.number().default(0),
  sessionsMax: z.number().default(256),
  journalEntries: z.number().default(0),
  auditIntervalMs: z.number().default(0),
  faultsAllowed: z.boolean().default(false),
});

/** The endpoints of the fabric. They change only when the arena is created. */
const fabricOffer = z.object({
  endpoints: z.array(endpoint),
  unavailable: z.array(z.object({ provider, reason: z.string() })),
  /** Of an arena on a device. */
  memory: deviceMemory.extend({ offset: z.number().optional() }).optional(),
});
export type FabricOffer = z.infer<typeof fabricOffer>;

export const header = z.object({
  kvferry: z.literal('recording'),
  format: z.literal(FORMAT_VERSION),
  /** The version of the recorded program. */
  version: z.string(),
  recordedAt: z.string(),
  epoch: z.string(),
  /** Of the process: remote keys in the recording are sealed for it. */
  publicKey: z.string(),
  options: agentOptions,
  offer: fabricOffer,
  /** Bytes of the largest message on its connection to NATS, which decide how it cuts its answers. */
  messageBytesMax: z.number().default(MESSAGE_BYTES_MAX),
  /** The agent's clock at the start: step 0. */
  atMs: z.number(),
});
export type Header = z.infer<typeof header>;

/** An error of a port. An error without a code is a defect: it was not a `KvferryError`. */
export const portError = z.object({
  code: z.enum(errorCodes).optional(),
  message: z.string(),
  field: z.string().optional(),
});
export type PortError = z.infer<typeof portError>;

/** Calls whose answer comes later, and the schema of each answer. Calls of the fabric have the names of its failpoints. */
export const answers = {
  request: z.string(),
  'request.all': z.array(z.string()),
  flush: z.undefined(),
  'control.close': z.undefined(),
  arena: fabricOffer,
  'arena.lost': z.string(),
  grant: z.object({ id: z.string(), provider, sealed: z.string(), arenaBytes: z.number() }),
  revoke: z.undefined(),
  attach: z.object({ file: z.string().default(''), bytes: z.number() }),
  identify: z.object({ file: z.string(), bytes: z.number() }).optional(),
  segment: z.undefined(),
  detach: z.undefined(),
  connect: z.object({ provider, detail: z.string() }),
  write: z.discriminatedUnion('status', [
    z.object({ status: z.literal('delivered'), bytes: z.number() }),
    z.object({ status: z.literal('stopped'), bytes: z.number(), drained: z.boolean() }),
    z.object({
      status: z.literal('failed'),
      bytes: z.number(),
      drained: z.boolean(),
      code: z.enum(['write_rejected', 'connection_lost', 'segment_invalid', 'fabric_error']),
      message: z.string(),
    }),
  ]),
  disconnect: z.undefined(),
  close: z.undefined(),
} as const satisfies Record<string, z.ZodType>;
export type Call = keyof typeof answers;
export type Answer<C extends Call> = z.infer<(typeof answers)[C]>;
const calls = Object.keys(answers) as [Call, ...Call[]];

const name = z.string();

const input = z.discriminatedUnion('in', [
  /** `to`: the subject of the receiving subscription. */
  z.object({ in: z.literal('message'), to: z.string(), subject: z.string(), body: z.string() }),
  z.object({ in: z.literal('answer'), question: name, value: z.unknown().optional(), error: portError.optional() }),
  z.object({ in: z.literal('timer'), timer: name }),
  z.object({ in: z.literal('status'), status: z.enum(['connected', 'disconnected']) }),
  /** The order to stop. */
  z.object({ in: z.literal('stop') }),
]);
export type Input = z.infer<typeof input>;

export const output = z.discriminatedUnion('out', [
  z.object({ out: z.literal('publish'), subject: z.string(), body: z.string(), error: portError.optional() }),
  /** `message`: the step of the answered message. */
  z.object({ out: z.literal('respond'), message: z.number(), body: z.string(), error: portError.optional() }),
  z.object({ out: z.literal('subscribe'), subject: z.string() }),
  z.object({ out: z.literal('unsubscribe'), subject: z.string() }),
  /** The agent gives up its connection to NATS for another one. */
  z.object({ out: z.literal('reconnect') }),
  /** With an error, the call threw it and gets no answer. */
  z.object({
    out: z.literal('ask'),
    question: name,
    call: z.enum(calls),
    with: z.record(z.string(), z.unknown()),
    error: portError.optional(),
  }),
  z.object({ out: z.literal('write.stop'), question: name }),
  z.object({ out: z.literal('timer.set'), timer: name, delayMs: z.number() }),
  z.object({ out: z.literal('timer.clear'), timer: name }),
  /** The immediate answer of `unreachable`. */
  z.object({ out: z.literal('reach'), endpoint, reachable: z.boolean(), reason: z.string().optional() }),
]);
export type Output = z.infer<typeof output>;

/** The start of a step: the input, and the agent's clock, which stands still during the step. */
export const step = z.intersection(z.object({ step: z.int().positive(), atMs: z.number() }), input);
export type Step = z.infer<typeof step>;

/**
 * The reason for the end: the agent stopped, the file reached its size limit, or the disk was too slow. A recording without
 * this line was cut off: the process was killed, or the disk was full.
 */
export const end = z.object({ end: z.enum(['stopped', 'size', 'backlog']) });
export type RecordingEnd = z.infer<typeof end>['end'];

export type Line = Header | Step | Output | z.infer<typeof end>;
