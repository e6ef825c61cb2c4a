/** The result of the demo: JSON for programs, a table for people. */

import { type Percentiles, rounded } from '../../figures/statistics.js';
import { formatBytes } from '../../figures/units.js';
import { renderTable } from '../table.js';
import type { LoadResult } from './load.js';
import type { QuietResult } from './quiet.js';

export interface DemoReport {
  readonly requests: number;
  readonly ready: number;
  /** Requests that ended `failed`, that an agent refused, or whose end no agent announced. */
  readonly failed: number;
  readonly cancelled: number;
  readonly expired: number;
  readonly chunks: number;
  readonly deduplicated: number;
  readonly joined: number;
  readonly bytesMoved: number;
  /** Null without a quiet phase, like the other rates. */
  readonly gbps: number | null;
  readonly memcpyGbps: number | null;
  readonly tcpGbps: number | null;
  readonly quietBytes: number | null;
  readonly controlMs: Percentiles | null;
  readonly putToReadyMs: Percentiles;
  readonly mismatches: number;
  readonly leakedPages: number;
  readonly provider: string;
  /** Broken promises of the protocol that the demo saw. */
  readonly violations: readonly string[];
  readonly seconds: number;
  readonly seed: number;
  /** Users could inject faults. Requests may then fail, and their pages may stay in use for some time. */
  readonly faultsAllowed: boolean;
}

export function makeReport(
  load: LoadResult,
  quiet: QuietResult | undefined,
  violations: readonly string[],
  { seed, faultsAllowed }: Pick<DemoReport, 'seed' | 'faultsAllowed'>,
): DemoReport {
  const sameProvider = quiet === undefined || quiet.provider === load.provider;
  return {
    requests: load.requests,
    ready: load.ends.ready,
    failed: load.ends.failed + load.unended,
    cancelled: load.ends.cancelled,
    expired: load.ends.expired,
    chunks: load.chunks,
    deduplicated: load.deduplicated,
    joined: load.joined,
    bytesMoved: load.bytesMoved,
    gbps: quiet?.gbps ?? null,
    memcpyGbps: quiet?.memcpyGbps ?? null,
    tcpGbps: quiet?.tcpGbps ?? null,
    quietBytes: quiet?.bytes ?? null,
    controlMs: quiet?.controlMs ?? null,
    putToReadyMs: load.putToReadyMs,
    mismatches: load.mismatches.length + (quiet?.mismatches.length ?? 0),
    leakedPages: load.leakedPages + (quiet?.leakedPages ?? 0),
    provider: sameProvider ? load.provider : 'mixed',
    violations,
    seconds: rounded(load.seconds),
    seed,
    faultsAllowed,
  };
}

/**
 * False after a mismatch or a broken promise. Also false, unless users could inject faults, when a request did not become
 * ready or a page leaked.
 */
export function isGood({ mismatches, violations, ...report }: DemoReport): boolean {
  return mismatches === 0 && violations.length === 0 && (report.faultsAllowed || isComplete(report));
}

function isComplete({ ready, requests, leakedPages }: Pick<DemoReport, 'ready' | 'requests' | 'leakedPages'>): boolean {
  return ready === requests && leakedPages === 0;
}

export function renderReport(report: DemoReport): string {
  const { gbps, memcpyGbps, tcpGbps, quietBytes, controlMs, putToReadyMs } = report;
  const rows: [string, string][] = [
    ['requests', `${report.requests}`],
    ['ready', `${report.ready}`],
    ['failed / cancelled / expired', `${report.failed} / ${report.cancelled} / ${report.expired}`],
    ['chunks', `${report.chunks}`],
    ['deduplicated', `${report.deduplicated}, including ${report.joined} joined while another request wrote them`],
    ['bytes moved', `${formatBytes(report.bytesMoved)} in ${report.seconds} s, including computing and checking`],
    ['put to ready', `p50 ${putToReadyMs.p50} ms, p99 ${putToReadyMs.p99} ms, including the wait for pages`],
    ['provider', report.provider],
  ];
  if (gbps !== null && memcpyGbps !== null && tcpGbps !== null && controlMs !== null) {
    rows.push(
      ['quiet phase', `${formatBytes(quietBytes ?? 0)} without other load, medians`],
      ['  data path', `${gbps} GB/s`],
      ['  memcpy', `${memcpyGbps} GB/s (data path: ${ratio(gbps, memcpyGbps)})`],
      ['  one TCP stream', `${tcpGbps} GB/s (data path: ${ratio(gbps, tcpGbps)})`],
      ['  control path, per batch', `p50 ${controlMs.p50} ms, p99 ${controlMs.p99} ms`],
    );
  }
  rows.push(['mismatches', `${report.mismatches}`], ['leaked pages', `${report.leakedPages}`]);
  const well = isComplete(report)
    ? 'Every byte arrived, and every page is free again.'
    : 'Agents failed, but no engine read a wrong byte.';
  const verdict = isGood(report) ? well : 'The demo FAILED.';
  return [
    renderTable(['RESULT', ''], rows),
    ...report.violations.map((violation) => `broken promise: ${violation}`),
    verdict,
  ].join('\n');
}

function ratio(value: number, of: number): string {
  return `${(value / of).toFixed(2)} of it`;
}
