/** Loaded into the process of an agent before its program: answers what that process has used, over the channel. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

export interface ProbeQuestion {
  /** Collect garbage first, so that memory is what is in use. */
  readonly collect?: boolean;
  /** From now on, watch how long the event loop is blocked. It costs a little, so it is not always on. */
  readonly watchLoop?: boolean;
}

export interface AgentProbe {
  /** CPU time of all its threads so far. */
  readonly cpuUs: number;
  /** Memory in use: JavaScript's heap, and what JavaScript holds outside of it. */
  readonly heapBytes: number;
  /** The longest time between two turns of the event loop since the last answer; 0 when nobody watches. */
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
