/** What the guests found, as one object: the last line of `--json`. */
import type { GuestResult, Suite, SuiteResult } from '../../test/rdma/order.js';

/** Tests. */
interface Count {
  readonly passed: number;
  readonly failed: number;
}

export interface KernelSummary {
  readonly kernel: string;
  readonly contract: Count;
  readonly lifetime: Count;
  readonly device: Count;
  readonly packetsSent: number;
  readonly requests: number;
  readonly mismatches: number;
  readonly staleDelivered: number;
  readonly zombieWritesRejected: number;
  readonly seconds: Readonly<Record<string, number>>;
  /** Everything that is not as it should be, in words. */
  readonly broken: readonly string[];
}

export interface Summary extends Omit<KernelSummary, 'kernel' | 'seconds'> {
  readonly provider: 'verbs';
  readonly kernels: readonly KernelSummary[];
}

export function summaryOf(result: GuestResult): KernelSummary {
  const { kernel, contract, lifetime, device, demo, figures, seconds } = result;
  return {
    kernel,
    contract: countOf(contract),
    lifetime: countOf(lifetime),
    device: countOf(device),
    packetsSent: result.counters['sent_pkts'] ?? 0,
    requests: demo?.ready ?? 0,
    mismatches: demo?.mismatches ?? 0,
    staleDelivered: figures?.staleDelivered ?? 0,
    zombieWritesRejected: figures?.zombieWritesRejected ?? 0,
    seconds,
    broken: brokenIn(result),
  };
}

/** The sums. What has failed on one kernel has failed. */
export function summaryOfAll(kernels: readonly KernelSummary[]): Summary {
  const sum = (count: (one: KernelSummary) => number) => kernels.reduce((total, one) => total + count(one), 0);
  const sumOfSuite = (suite: Suite) => ({
    passed: sum((one) => one[suite].passed),
    failed: sum((one) => one[suite].failed),
  });
  return {
    provider: 'verbs',
    contract: sumOfSuite('contract'),
    lifetime: sumOfSuite('lifetime'),
    device: sumOfSuite('device'),
    packetsSent: sum((one) => one.packetsSent),
    requests: sum((one) => one.requests),
    mismatches: sum((one) => one.mismatches),
    staleDelivered: sum((one) => one.staleDelivered),
    zombieWritesRejected: sum((one) => one.zombieWritesRejected),
    broken: kernels.flatMap(({ kernel, broken }) => broken.map((what) => `${kernel}: ${what}`)),
    kernels,
  };
}

function countOf(suite: SuiteResult | undefined): Count {
  return { passed: suite?.passed ?? 0, failed: suite?.failed ?? 0 };
}

function brokenIn(result: GuestResult): string[] {
  const { doctor, contract, lifetime, device, demo, figures, counters, broken } = result;
  const of = (suite: SuiteResult | undefined, name: string) => [
    ...(suite?.failures ?? []),
    ...(suite !== undefined && suite.passed === 0 ? [`no test of the ${name} suite passed`] : []),
    ...(suite !== undefined && suite.skipped > 0 ? [`${suite.skipped} tests of the ${name} suite were skipped`] : []),
  ];
  const hasSent = [contract, lifetime, device, demo].some((check) => check !== undefined);
  const when = (isBroken: boolean, what: string) => (isBroken ? [what] : []);
  return [
    ...broken,
    ...(doctor === undefined || doctor.passed ? [] : [`doctor: ${doctor.findings.join('; ') || 'it found no device'}`]),
    ...of(contract, 'contract'),
    ...of(lifetime, 'lifetime'),
    ...of(device, 'device'),
    ...when(hasSent && (counters['sent_pkts'] ?? 0) === 0, 'the device sent no packet'),
    ...when(figures !== undefined && figures.zombieWritesRejected === 0, 'no zombie write was refused'),
    ...when((figures?.staleDelivered ?? 0) > 0, `old bytes were delivered ${figures?.staleDelivered} times`),
    ...(demo === undefined ? [] : brokenInDemo(demo)),
  ];
}

function brokenInDemo({ provider, requests, ready, mismatches }: NonNullable<GuestResult['demo']>): string[] {
  const isGood = provider === 'verbs' && ready === requests && ready > 0 && mismatches === 0;
  return isGood ? [] : [`demo: provider ${provider}, ${ready} of ${requests} ready, ${mismatches} mismatches`];
}
