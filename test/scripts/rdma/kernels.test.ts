import { expect, test } from 'vitest';
import { checksOn, kernels } from '../../../scripts/rdma/kernels.js';
import { checks } from '../../rdma/order.js';

test('checks are spread → each but the doctor runs on one kernel', () => {
  const runs = kernels.flatMap((kernel) => checksOn(kernel, checks, true));
  const times = checks.map((check) => [check, runs.filter((one) => one === check).length]);
  expect(Object.fromEntries(times)).toEqual({ doctor: 2, contract: 1, lifetime: 1, device: 1, demo: 1 });
});

test('checks are not spread → every kernel runs those that are wanted', () => {
  expect(kernels.map((kernel) => checksOn(kernel, ['device'], false))).toEqual([['device'], ['device']]);
});
