import { expect, test } from 'vitest';
import { summaryOf, summaryOfAll } from '../../../scripts/rdma/summary.js';
import type { GuestResult } from '../../rdma/order.js';

const good: GuestResult = {
  kernel: '6.1.0',
  doctor: { passed: true, findings: ['ok: verbs is available on rxe0'] },
  contract: { passed: 72, failed: 0, skipped: 0, failures: [] },
  lifetime: { passed: 12, failed: 0, skipped: 0, failures: [] },
  device: { passed: 20, failed: 0, skipped: 0, failures: [] },
  figures: { staleDelivered: 0, zombieWritesRejected: 16 },
  demo: { provider: 'verbs', requests: 8, ready: 8, mismatches: 0, bytesMoved: 12_451_840 },
  counters: { sent_pkts: 1000, rdma_sends: 3 },
  seconds: { doctor: 20 },
  broken: [],
};

const bad: GuestResult = {
  kernel: '6.12.95',
  doctor: { passed: false, findings: [] },
  contract: { passed: 70, failed: 1, skipped: 1, failures: ['writing one byte: it never ends'] },
  lifetime: { passed: 11, failed: 1, skipped: 0, failures: ['a process does not end'] },
  device: { passed: 0, failed: 0, skipped: 0, failures: [] },
  figures: { staleDelivered: 2, zombieWritesRejected: 0 },
  demo: { provider: 'tcp', requests: 8, ready: 7, mismatches: 1, bytesMoved: 1 },
  counters: {},
  seconds: {},
  broken: ['demo: kvferry demo ended with exit status 1'],
};

test('every check passed on each kernel → sums, and nothing is broken', () => {
  const { kernels, ...sums } = summaryOfAll([summaryOf(good), summaryOf({ ...good, kernel: '6.12.95' })]);
  expect(sums).toEqual({
    provider: 'verbs',
    contract: { passed: 144, failed: 0 },
    lifetime: { passed: 24, failed: 0 },
    device: { passed: 40, failed: 0 },
    packetsSent: 2000,
    requests: 16,
    mismatches: 0,
    staleDelivered: 0,
    zombieWritesRejected: 32,
    broken: [],
  });
  expect(kernels.map(({ kernel }) => kernel)).toEqual(['6.1.0', '6.12.95']);
});

test('checks that failed on one kernel → each is broken, with the kernel', () => {
  expect(summaryOfAll([summaryOf(good), summaryOf(bad)]).broken).toEqual([
    '6.12.95: demo: kvferry demo ended with exit status 1',
    '6.12.95: doctor: it found no device',
    '6.12.95: writing one byte: it never ends',
    '6.12.95: 1 tests of the contract suite were skipped',
    '6.12.95: a process does not end',
    '6.12.95: no test of the device suite passed',
    '6.12.95: the device sent no packet',
    '6.12.95: no zombie write was refused',
    '6.12.95: old bytes were delivered 2 times',
    '6.12.95: demo: provider tcp, 7 of 8 ready, 1 mismatches',
  ]);
});

test('only the doctor was asked → nothing else is missed', () => {
  const { kernel, doctor, seconds } = good;
  const result = { kernel, ...(doctor && { doctor }), counters: {}, seconds, broken: [] };
  expect(summaryOf(result).broken).toEqual([]);
});
