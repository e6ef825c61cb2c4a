/** Loaded into the process of an agent before its program. Reports the resources that the process has used, over the channel. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

export interface ProbeQuestion {
  /** Whether to collect garbage first, so that only memory in use counts. */
  readonly collect?: boolean;
  /** Whether to measure from now on for how long the event loop is blocked. Off by default, because it costs a little. */
  readonly watchLoop?: boolean;
}

export interface AgentProbe {
  /** CPU time of all threads so far. */
  readonly cpuUs: number;
  /** Memory in use: JavaScript's heap, and memory that JavaScript objects hold outside of it. */
  readonly heapBytes: number;
  /** The longest time between two turns of the event loop since the last answer. 0 if it is not measured. */
  readonly loopMaxMs: number;
}

const NS_PER_MS = 1e6;
const LOOP_RESOLUTION_MS = 1;

let loop: IntervalHistogram | undefined;

process.on('message', ({ collect, watchLoop }: ProbeQuestion) => {
  if (collect) globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  const { heapUsed, external } = process.memoryUsage();
  const loopMaxMs = (loop?.max ?? 0) / NS_PER_MS;
  loop?.reset();
  if (watchLoop && loop === undefined) {
    loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
    loop.enable();
  }
  const answer: AgentProbe = { cpuUs: user + system, heapBytes: heapUsed + external, loopMaxMs };
  process.send?.({ ok: true, answer });
});
