/** Names the receiver of a request that was put without one. */
import { z } from 'zod';
import { agentName, epoch, ranks, requestId, timeoutMs, version } from './fields.js';
import { CHUNKS_PER_REQUEST_MAX } from './limits.js';

const routeRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch: epoch
    .optional()
    .describe('Epoch of the prefill agent, as `put` answered: another process refuses the message.'),
  receiver: agentName.describe('The decode agent that receives the bytes. The first one that is named counts.'),
  timeoutMs: timeoutMs
    .optional()
    .describe('Time limit in milliseconds from this message on. Default: what is left of the time of the `put`.'),
  ranks: ranks
    .optional()
    .describe(
      'Only for a request over several ranks: its rank and all members. Each rank is routed at its prefill agent.',
    ),
  skip: z
    .int()
    .min(0)
    .max(CHUNKS_PER_REQUEST_MAX)
    .default(0)
    .describe(
      'So many chunks at the beginning of the prompt do not travel, because the decode engine has them. Fewer than `totalChunks`.',
    ),
});
const routeReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  epoch: epoch.describe('Epoch of the prefill agent. Together with `request` it identifies the request.'),
});

export const routingSchemas = { route: { request: routeRequest, reply: routeReply } } as const;
