import { describe, expect, test } from 'vitest';
import { type Baselines, expectedRate, type ProbedWay } from '../../../../src/observe/doctor/probe/expected-rate.js';
import { failedProbe, judgeProbe, pairsLeft } from '../../../../src/observe/doctor/probe/judge.js';
import { PROBE_PAIRS_MAX, planProbes } from '../../../../src/observe/doctor/probe/plan.js';
import { laterPagesRate, type ProbeResult } from '../../../../src/observe/doctor/probe/probe-pair.js';
import { brief, decode, type Machine, MIB, machine, prefill, type SpoiltAgent } from '../support.js';

describe('what is probed', () => {
  const plan = (spoilt: SpoiltAgent = {}) => planProbes([decode(spoilt), prefill()], {});
  const free = (pages: number, reserved = 0) => ({
    status: {
      pages: { total: 128, free: pages, writing: 0, ready: 128 - pages, quarantined: 0, reserved, retained: 0 },
    },
  });
  const pagesOf = (spoilt: SpoiltAgent) => plan(spoilt).pairs.map(({ pages }) => pages);

  test('goes from those who send to those who receive', () => {
    const { pairs, left } = plan();
    expect(pairs.map(({ sender, receiver, pages }) => [sender.agent, receiver.agent, pages])).toEqual([
      ['p1', 'd1', 16],
    ]);
    expect(left).toBe(0);
  });

  test('takes a small part of the pages that are free and promised to nobody', () => {
    expect(pagesOf(free(64))).toEqual([8]);
    expect(pagesOf(free(64, 32))).toEqual([4]);
    expect(pagesOf(free(7))).toEqual([0]);
    expect(pagesOf(free(10, 64))).toEqual([0]);
  });

  test('takes no more than 64 MiB, or one page that is larger', () => {
    const withPages = (pageBytes: number) => ({
      ...free(4096),
      description: { arena: { path: '/dev/shm/a', epoch: '00000000000000dd', pageBytes, pages: 4096 } },
    });
    expect(pagesOf(withPages(3 * MIB))).toEqual([21]);
    expect(pagesOf(withPages(256 * MIB))).toEqual([1]);
    expect(pagesOf(withPages(4096))).toEqual([512]);
  });

  test('leaves out agents that do not run', () => {
    expect(plan({ status: 'silent' }).pairs).toEqual([]);
    expect(plan({ status: { state: 'draining' } }).pairs).toEqual([]);
  });

  test('the pairs to probe can be chosen', () => {
    const agents = [decode(), prefill()];
    expect(planProbes(agents, { from: 'p1', to: 'd1' }).pairs).toHaveLength(1);
    expect(planProbes(agents, { from: 'p2' }).pairs).toEqual([]);
    expect(planProbes(agents, { to: 'd2' }).pairs).toEqual([]);
  });

  test('the number of probed pairs has a limit', () => {
    const receivers = Array.from({ length: PROBE_PAIRS_MAX + 3 }, (_, n) =>
      decode({ description: { agent: `d${n}` } }),
    );
    const { pairs, left } = planProbes([...receivers, prefill()], {});
    expect([pairs.length, left]).toEqual([PROBE_PAIRS_MAX, 3]);
    expect(brief([pairsLeft(left), pairsLeft(1)])).toEqual([
      ['note', '3 more pairs were not probed', '--from or --to NAME probes every pair of that agent'],
      ['note', '1 more pair was not probed', '--from or --to NAME probes every pair of that agent'],
    ]);
    const chosen = planProbes([...receivers, prefill()], { from: 'p1' });
    expect([chosen.pairs.length, chosen.left]).toEqual([PROBE_PAIRS_MAX + 3, 0]);
  });
});

test.each([
  ['leaves out what the messages cost', laterPagesRate(17e6, 1e6, 6, 4), 8],
  ['of one page is that of all', laterPagesRate(1e6, 1e6, 4, 4), 0.25],
  ['is that of all when many pages took no longer than one', laterPagesRate(2e6, 1e6, 4, 5), 0.5],
])('the rate of later pages %s', (_, rate, expected) => {
  expect(rate).toBe(expected);
});

describe('the expected rate', () => {
  const measured: string[] = [];
  const rates = [8, 9, 7];
  const baselines: Baselines = {
    memcpy: async (bytes, pageBytes) => {
      measured.push(`memcpy ${bytes} ${pageBytes}`);
      return rates[(measured.length - 1) % rates.length] ?? 0;
    },
    tcpStream: async (bytes) => {
      measured.push(`tcp ${bytes}`);
      return 3;
    },
  };
  const way: ProbedWay = {
    provider: 'same-host',
    bytes: 48 * MIB,
    pageBytes: 3 * MIB,
    isReceiverHere: true,
    bindAddress: '10.0.0.1',
  };
  const expected = (spoilt: Partial<ProbedWay>, spoiltMachine: Machine = {}) =>
    expectedRate({ ...way, ...spoilt }, machine(spoiltMachine), baselines);

  test('on one host is the best of three measurements of memcpy, with as many bytes', async () => {
    measured.splice(0);
    expect(await expected({})).toEqual({ gbps: 9, what: 'one thread that copies memory here' });
    expect(measured).toEqual(Array(3).fill(`memcpy ${48 * MIB} ${3 * MIB}`));
  });

  test('of TCP within the host is that of one stream, with enough bytes', async () => {
    measured.splice(0);
    expect(await expected({ provider: 'tcp', bytes: MIB })).toEqual({
      gbps: 3,
      what: 'one TCP stream within this host',
    });
    expect(measured).toEqual(Array(3).fill(`tcp ${16 * MIB}`));
  });

  test('of TCP to another host is the speed of the interface', async () => {
    const speed = await expected({ provider: 'tcp', isReceiverHere: false });
    expect(speed).toEqual({ gbps: 3.125, what: 'the speed of eth0' });
    const files = { '/sys/class/net/eth0/speed': '-1' };
    expect(await expected({ provider: 'tcp', isReceiverHere: false }, { files })).toBe(undefined);
  });

  test('of verbs is the rate of the fastest port', async () => {
    const files = {
      '/sys/class/infiniband/mlx5_0/ports/1/rate': '100 Gb/sec (4X EDR)',
      '/sys/class/infiniband/mlx5_1/ports/1/rate': '400 Gb/sec (4X NDR)',
    };
    expect(await expected({ provider: 'verbs' }, { files })).toEqual({ gbps: 50, what: 'the rate of the RDMA port' });
    expect(await expected({ provider: 'verbs' })).toBe(undefined);
  });
});

describe('what a probe says', () => {
  const moved: ProbeResult = {
    kind: 'moved',
    gbps: 9.04,
    laterPagesGbps: 9.04,
    bytes: 48 * MIB,
    onePageMs: 1.23,
    provider: 'same-host',
    detail: 'copied',
    differing: 0,
  };
  const judge = (spoilt: Partial<typeof moved>, gbps?: number) =>
    brief([
      judgeProbe('p1 → d1', { ...moved, ...spoilt }, gbps === undefined ? undefined : { gbps, what: 'memcpy' }),
    ])[0];
  const text =
    'p1 → d1: 9 GB/s over same-host (copied), every byte as sent; 48 MiB a round, one page alone takes 1.2 ms';

  test('that it is as fast as it can be', () => {
    expect(judge({}, 10)).toEqual(['ok', `${text}; expected about 10 GB/s (memcpy)`]);
    expect(judge({}, 18)?.[0]).toBe('ok');
  });

  test('that it is slow, and what to look at', () => {
    expect(judge({}, 20)).toEqual([
      'warning',
      `${text}; expected about 20 GB/s (memcpy): SLOW`,
      'is the host busy, or are agent and engine on different memory nodes (numactl --hardware)? Give them processors of one',
    ]);
    expect(judge({ provider: 'tcp' }, 20)?.[2]).toBe(
      'measure the link without kvferry (iperf3); look at MTU, TCP buffers and free processors on both hosts',
    );
    expect(judge({ provider: 'verbs' }, 20)?.[2]).toBe(
      'measure the link without kvferry (ib_write_bw); look at its errors (rdma statistic)',
    );
  });

  test('that the messages, not the bytes, take the time', () => {
    expect(judge({ gbps: 4, laterPagesGbps: 10 }, 20)?.[0]).toBe('ok');
    expect(judge({ gbps: 4, laterPagesGbps: 9.9 }, 20)?.[0]).toBe('warning');
  });

  test('that little data tells little', () => {
    expect(judge({ bytes: MIB, differing: undefined }, 20)).toEqual([
      'note',
      'p1 → d1: 9 GB/s over same-host (copied); 1 MiB a round, one page alone takes 1.2 ms; ' +
        'expected about 20 GB/s (memcpy). Rounds of less than 16 MiB are not judged',
      'a round takes an eighth of the free pages: try again when fewer are in use, or raise --arena-pages',
    ]);
  });

  test('that nothing is known to compare it with', () => {
    expect(judge({})).toEqual(['ok', `${text}; what to expect of this way is not known`]);
  });

  test('that bytes were wrong', () => {
    expect(judge({ differing: 2 }, 10)).toEqual([
      'problem',
      'p1 → d1: 2 pages arrived with WRONG BYTES over same-host (copied)',
      'stop using this pair; keep the logs of both agents, and report it',
    ]);
  });

  test('that it failed, or that it has to be asked for elsewhere', () => {
    expect(brief([failedProbe('p1 → d1', 'agent d1 is lost')])[0]).toEqual([
      'problem',
      'p1 → d1: the probe failed: agent d1 is lost',
      'the logs of both agents say more',
    ]);
    expect(brief([judgeProbe('p1 → d1', { kind: 'elsewhere' }, undefined)])[0]).toEqual([
      'note',
      'p1 → d1: the sender is on another host',
      'run kvferry doctor --probe there',
    ]);
  });
});
