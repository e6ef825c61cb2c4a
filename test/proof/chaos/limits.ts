/** Limits of time that a run of chaos checks. */
import { HEARTBEAT_MS, LEASE_MS } from './chaos-cluster.js';
import type { Summary } from './samples.js';

const RECLAIM_MS_MAX = LEASE_MS + 1000;
const DETECT_MS_MAX = 3 * HEARTBEAT_MS;
const CANCEL_MS_P99 = 10;

export interface Times {
  readonly detectMs: Summary;
  readonly reclaimMs: Summary;
  readonly cancelMs: Summary;
  readonly receiverErrorsLate: number;
}

/** The limits that these times break by more than `roomMs`, in words. */
export function brokenLimits({ detectMs, reclaimMs, cancelMs, receiverErrorsLate }: Times, roomMs: number): string[] {
  const beyond = (name: string, ms: number, max: number) =>
    ms > max + roomMs ? [`${name} ${ms} > ${max + roomMs}`] : [];
  return [
    ...beyond('detectMs.max', detectMs.max, DETECT_MS_MAX),
    ...beyond('reclaimMs.max', reclaimMs.max, RECLAIM_MS_MAX),
    ...beyond('cancelMs.p99', cancelMs.p99, CANCEL_MS_P99),
    ...(receiverErrorsLate > 0 ? [`${receiverErrorsLate} typed errors came after the deadline`] : []),
  ];
}
