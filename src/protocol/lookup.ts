/** Which agents hold a prefix of a prompt, and how much they have to do: for routers that choose among them. */
import { z } from 'zod';
import { agentName, agentState, epoch, keysUpTo, pageCounts, role, version } from './fields.js';
import { ACQUIRE_KEYS_MAX } from './limits.js';

const natural = z.int().min(0);

const lookupRequest = z.strictObject({
  v: version,
  keys: keysUpTo(ACQUIRE_KEYS_MAX).describe('Names of the chunks of a prompt, in its order.'),
});
export const lookupReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  agent: agentName,
  epoch,
  role,
  state: agentState,
  held: natural.describe('How many of the first keys are in the arena and ready. 0 if the agent has no arena.'),
  expected: natural.describe(
    'How many of the first keys are there, or are being written by a request. At least `held`.',
  ),
  pages: pageCounts.optional().describe('Pages of the arena, by state. Present if the agent receives.'),
  queued: natural.describe('Number of requests that wait for pages.'),
  requests: natural.describe('Requests in progress.'),
});
export type LookupReply = z.infer<typeof lookupReply>;

export const lookupSchemas = { lookup: { request: lookupRequest, reply: lookupReply } } as const;
