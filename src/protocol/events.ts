/** What agents publish for whoever listens. */
import { z } from 'zod';
import { agentName, batch, end, epoch, failure, keys, pages, positions, rank, requestId, version } from './fields.js';
import { AUDIT_KEYS_MAX } from './limits.js';
import { storeActions } from './observation.js';

const natural = z.int().min(0);

/** Published exactly once for every accepted request. Times in milliseconds, sizes in bytes. */
export const terminalEvent = z.strictObject({
  v: version,
  request: requestId,
  epoch: epoch.describe("The sender's epoch; with several ranks, that of the first of `ranks`."),
  end,
  reason: failure.optional().describe('Always set unless `end` is ready.'),
  sender: agentName.describe('The prefill agent.'),
  receiver: agentName.describe('The decode agent.'),
  chunks: natural.describe('Chunks of the request.'),
  deduplicated: natural.describe('Of those, chunks that needed no write.'),
  joined: natural.describe('Of those, chunks that another request was writing.'),
  bytes: natural.describe('Bytes written for this request.'),
  ranks: z
    .array(
      z.strictObject({
        rank,
        sender: agentName,
        epoch: epoch.describe("That rank's sender's epoch."),
        receiver: agentName,
      }),
    )
    .optional()
    .describe('Only of a request over several ranks: those that the announcing agent has heard of.'),
  ageMs: natural.describe('Time since the announcing agent first heard of the request.'),
});
export type TerminalEvent = z.infer<typeof terminalEvent>;

/** The engine may overwrite the source memory of these chunks. Each chunk is named exactly once. */
export const sourceReleasedEvent = z.strictObject({
  v: version,
  request: requestId,
  epoch: epoch.describe("The sender's epoch."),
  batch,
  positions,
});
export type SourceReleasedEvent = z.infer<typeof sourceReleasedEvent>;

/** What has become of chunks since the event before: every step, with every key, for whoever keeps them. */
export const auditEvent = z.strictObject({
  v: version,
  agent: agentName,
  epoch,
  number: natural.describe('Counts these events from 0; one that is missing was lost.'),
  nowMs: z.number().describe("The agent's clock."),
  steps: z
    .array(
      z.strictObject({
        atMs: z.number().describe("When, on the agent's clock."),
        action: z.enum(storeActions).describe('As in `journal`.'),
        request: requestId.optional(),
        epoch: epoch.optional().describe("The sender's epoch."),
        batch: batch.optional(),
        chunks: natural.describe('Chunks it is about.'),
        keys: keys.describe('Their keys, as far as they are known.'),
        pages: pages.optional().describe('Their pages, in the same order.'),
        detail: z.string().optional().describe('For people.'),
      }),
    )
    .max(AUDIT_KEYS_MAX)
    .describe('Oldest first. One about very many chunks comes in several parts.'),
});
export type AuditEvent = z.infer<typeof auditEvent>;
