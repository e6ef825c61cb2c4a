/** Fault orders, for demonstrations and tests. Only an agent that was started with `--allow-faults` accepts them. */
import { z } from 'zod';
import { agentName, epoch, version } from './fields.js';
import { FAULT_MS_MAX } from './limits.js';

export const faults = ['kill', 'stop', 'partition', 'heal', 'slow-write', 'zombie-writer'] as const;
export type Fault = (typeof faults)[number];

const durationMs = z.int().min(1).max(FAULT_MS_MAX);

export const faultRequest = z.strictObject({
  v: version,
  fault: z.enum(faults).describe('The fault to inject.'),
  forMs: durationMs
    .optional()
    .describe('Duration of the fault. Default: three heartbeat intervals and 2 s. Ignored by `kill` and `heal`.'),
});
export type FaultRequest = z.infer<typeof faultRequest>;

export const faultReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  agent: agentName,
  epoch: epoch.describe('Epoch of the process that the fault hits.'),
  forMs: durationMs.optional().describe('Duration of the fault. Absent for `kill` and `heal`.'),
});
export type FaultReply = z.infer<typeof faultReply>;
