/** Messages about the session of an engine with its prefill agent (docs/guide/sessions.md). */
import { z } from 'zod';
import { alone, batch, epoch, holderName, orderNumber, positions, requestId, sessionId, version } from './fields.js';
import { ORDERS_REMEMBERED_MAX, SESSION_SILENT_MS_MAX, SESSION_SILENT_MS_MIN, SOURCES_BATCHES_MAX } from './limits.js';

const natural = z.int().min(0);

/** In every order: `put`, `cancel`, `attach`, `detach`, `stage`, `unstage`. */
export const orderFields = {
  session: sessionId.optional().describe('The session that the order belongs to. Present if `order` is.'),
  order: orderNumber.optional().describe('Number of the order in its session. Present if `session` is.'),
};

const agentEpoch = epoch.describe('Epoch of the prefill agent.');
const ok = { v: version, ok: z.literal(true), epoch: agentEpoch };
const silentMs = z.int().min(SESSION_SILENT_MS_MIN).max(SESSION_SILENT_MS_MAX);

export const sessionSchemas = {
  open: {
    request: z.strictObject({
      v: version,
      session: sessionId,
      holder: holderName.describe('Name of the engine, for people.'),
      silentMs: silentMs.describe(
        'The session ends when the agent receives no message of it for so long. Milliseconds.',
      ),
    }),
    reply: z.strictObject({
      ...ok,
      silentMs: silentMs.describe('As in the message.'),
      order: natural.describe('Number that the agent expects of the next order.'),
    }),
  },
  renew: {
    request: z.strictObject({ v: version, session: sessionId }),
    reply: z.strictObject({ ...ok, order: natural.describe('Number that the agent expects of the next order.') }),
  },
  barrier: {
    request: z.strictObject({
      v: version,
      session: sessionId,
      order: natural.describe('Every order with a smaller number is executed before the answer, or never.'),
    }),
    reply: z.strictObject({
      ...ok,
      barred: z
        .array(natural)
        .max(ORDERS_REMEMBERED_MAX)
        .describe(
          `Numbers below \`order\` that the agent has not executed and never will, of the last ${ORDERS_REMEMBERED_MAX}.`,
        ),
    }),
  },
  end: {
    request: z.strictObject({ v: version, session: sessionId }),
    reply: z.strictObject({
      ...ok,
      chunksInUse: natural.describe(
        'Chunks of the session that the agent still reads. At 0 all its source memory belongs to the engine again.',
      ),
    }),
  },
  sources: {
    request: z.strictObject({
      v: version,
      request: requestId.optional().describe('Lists only this request.'),
      session: sessionId.optional().describe('Lists only requests that were put in this session.'),
      after: z
        .strictObject({ request: requestId, batch })
        .optional()
        .describe('Lists only what follows this batch: `next` of the previous reply.'),
    }),
    reply: z.strictObject({
      ...ok,
      alone,
      batches: z
        .array(z.strictObject({ request: requestId, batch, positions }))
        .max(SOURCES_BATCHES_MAX)
        .describe('Positions that the agent may still read, by request and batch. It reads no other position.'),
      next: z
        .strictObject({ request: requestId, batch })
        .optional()
        .describe('Present when there are more: send `sources` again with this value as `after`.'),
    }),
  },
} as const;
