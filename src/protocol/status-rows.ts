/** The rows of a `status` reply. */
import { z } from 'zod';
import {
  agentName,
  anyHolder,
  anyRequest,
  anySegment,
  anySession,
  end,
  epoch,
  failure,
  provider,
  rank,
} from './fields.js';

const natural = z.int().min(0);

export const requestRow = z.strictObject({
  request: anyRequest,
  epoch: epoch.describe('Epoch of the prefill agent.'),
  side: z.enum(['sender', 'receiver']).describe('Side of the request that this agent is on.'),
  session: anySession.optional().describe('Session in which the request was put. Only at the prefill agent.'),
  rank: rank.optional().describe('Rank of the request that this agent serves, if the request has several.'),
  missingRanks: z
    .array(rank)
    .optional()
    .describe('Ranks that are not complete yet. Only the agent that leads the ranks reports this.'),
  state: z.string().describe('State of its state machine.'),
  ageMs: natural.describe(
    'Time since this agent first received a message about it or, if it has ended, since its end.',
  ),
  batches: natural.optional().describe('Number of batches so far. Left out when the request has ended.'),
  chunks: natural.optional().describe('Number of chunks in those batches. Left out when the request has ended.'),
  end: end.optional().describe('Present when the request has ended.'),
  reason: failure.optional().describe('Present when the request has ended and `end` is not `ready`.'),
});
export type RequestRow = z.infer<typeof requestRow>;
export const peerRow = z.strictObject({
  agent: agentName,
  epoch: epoch.describe('Epoch of that agent.'),
  side: z.enum(['sender', 'receiver']).describe('Whether that agent sends to this one or receives from it.'),
  state: z.string().describe('State of the connection and of the liveness check, or `lost`.'),
  provider: provider.optional().describe('How bytes travel. Present once the agents are connected.'),
  detail: z.string().optional().describe('Details of the provider, for people.'),
  fallback: z.array(z.string()).describe('Providers that were tried before, each with the reason why it was not used.'),
});
export type PeerRow = z.infer<typeof peerRow>;
export const segmentRow = z.strictObject({
  segment: anySegment,
  path: z.string().optional().describe('Path of its file. Absent when it is on a device.'),
  device: z.string().optional().describe('UUID of its CUDA device. Absent when it is a file.'),
  bytes: natural.describe('Size of the segment in bytes.'),
  chunksInUse: natural.describe('Chunks that the agent may still read.'),
  session: anySession.optional().describe('Session that attached it. The segment is given back with the session.'),
  removedMs: natural
    .optional()
    .describe('Present when the path no longer leads to this memory: time since the agent noticed.'),
});
export const sessionRow = z.strictObject({
  session: anySession,
  holder: anyHolder.describe('Name of the engine.'),
  state: z.enum(['open', 'ended']).describe('An ended session is listed while the agent still reads memory of it.'),
  silentMs: natural.describe('Silence after which the session ends.'),
  silentForMs: natural.describe('Time since the last message of the session.'),
  order: natural.describe('Number that the agent expects of the next order.'),
  waiting: natural.describe('Orders that are not executed yet.'),
  requests: natural.describe('Requests in progress that were put in the session.'),
  segments: natural.describe('Segments that the session attached.'),
  stagingPages: natural.describe('Staging pages that are lent to the session.'),
  chunksInUse: natural.describe('Chunks of the session that the agent may still read.'),
});
export type SessionRow = z.infer<typeof sessionRow>;
