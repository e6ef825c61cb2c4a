/**
 * Faults on request, for demonstrations and tests: what an agent that was started with `--allow-faults` lets be done to
 * itself, so that people can watch what follows.
 */
import { z } from 'zod';
import { agentName, epoch, version } from './fields.js';
import { FAULT_MS_MAX } from './limits.js';

export const faults = ['kill', 'stop', 'partition', 'heal', 'slow-write', 'zombie-writer'] as const;
export type Fault = (typeof faults)[number];

const durationMs = z.int().min(1).max(FAULT_MS_MAX);

export const faultRequest = z.strictObject({
  v: version,
  fault: z.enum(faults).describe('What shall happen.'),
  forMs: durationMs
    .optional()
    .describe('How long it lasts. Default: 2 s more than three heartbeats. `kill` and `heal` do not look at it.'),
});
export type FaultRequest = z.infer<typeof faultRequest>;

export const faultReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  agent: agentName,
  epoch: epoch.describe('Epoch of the process to which it happens.'),
  forMs: durationMs.optional().describe('How long it will last. Not set for `kill` and `heal`.'),
});
export type FaultReply = z.infer<typeof faultReply>;
