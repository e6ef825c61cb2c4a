/** Events that agents publish. NATS delivers them to the current subscribers and does not store them. */
import { z } from 'zod';
import { agentName, batch, end, epoch, failure, keys, pages, positions, rank, requestId, version } from './fields.js';
import { AUDIT_KEYS_MAX } from './limits.js';
import { storeActions } from './observation.js';

const natural = z.int().min(0);

/**
 * The end of a request. Published once for every accepted request, apart from the exceptions that docs/guide/protocol.md
 * lists. The first event for one (`request`, `epoch`) counts. Times in milliseconds, sizes in bytes.
 */
export const terminalEvent = z.strictObject({
  v: version,
  request: requestId,
  epoch: epoch.describe('Epoch of the prefill agent. With several ranks: the epoch of the first entry of `ranks`.'),
  end,
  reason: failure.optional().describe('Present unless `end` is `ready`.'),
  sender: agentName.describe('The prefill agent.'),
  receiver: agentName
    .optional()
    .describe('The decode agent. Absent when the request ended before a router had named it (`route`).'),
  receiverEpoch: epoch
    .optional()
    .describe(
      'Epoch of the decode agent, and of its arena. Present if the decode agent announces. Its `ready` is worth nothing under another epoch.',
    ),
  chunks: natural.describe('Number of chunks in the request, without those that its `route` skipped.'),
  deduplicated: natural.describe(
    'Number of those chunks that the request did not have to write, counted when it got its pages; 0 before, and 0 if the prefill agent announces.',
  ),
  joined: natural.describe('Number of the `deduplicated` chunks that another request was writing at that time.'),
  bytes: natural.describe(
    'Bytes that the request had to write, counted like `deduplicated`. If `end` is `ready`, all of them have arrived.',
  ),
  ranks: z
    .array(
      z.strictObject({
        rank,
        sender: agentName,
        epoch: epoch.describe('Epoch of the prefill agent of this rank.'),
        receiver: agentName,
      }),
    )
    .optional()
    .describe('Present if the request has several ranks: the ranks that the announcing agent knows.'),
  ageMs: natural.describe('Time since the announcing agent received its first message about the request.'),
});
export type TerminalEvent = z.infer<typeof terminalEvent>;

/** The engine may overwrite the source memory of these chunks. The agent names each chunk in one event only. */
export const sourceReleasedEvent = z.strictObject({
  v: version,
  request: requestId,
  epoch: epoch.describe('Epoch of the prefill agent.'),
  batch,
  positions,
});
export type SourceReleasedEvent = z.infer<typeof sourceReleasedEvent>;

/** The steps of chunks in the store since the previous audit event, with all keys. Meant to be archived. */
export const auditEvent = z.strictObject({
  v: version,
  agent: agentName,
  epoch,
  number: natural.describe('Number of the event, from 0. A gap means that an event was lost.'),
  nowMs: z.number().describe("Time on the agent's clock when it published the event."),
  steps: z
    .array(
      z.strictObject({
        atMs: z.number().describe("Time of the step on the agent's clock."),
        action: z.enum(storeActions).describe('Action of the store, as in `journal`.'),
        request: requestId.optional(),
        epoch: epoch.optional().describe('Epoch of the prefill agent.'),
        batch: batch.optional(),
        chunks: natural.describe('Number of chunks.'),
        keys: keys.describe('Keys of these chunks, as far as they are known.'),
        pages: pages.optional().describe('Pages of these chunks, in the same order.'),
        detail: z.string().optional().describe('Text for people.'),
      }),
    )
    .max(AUDIT_KEYS_MAX)
    .describe('Steps, oldest first. A step with more keys than fit is split into several.'),
});
export type AuditEvent = z.infer<typeof auditEvent>;
