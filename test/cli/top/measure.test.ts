import { describe, expect, test } from 'vitest';
import { measure } from '../../../src/cli/top/measure.js';
import { after, agent, before, DECODE_EPOCH, d1, PREFILL_EPOCH, p1, pages, requestRow, sample } from './support.js';

describe('what two samples say', () => {
  test('has rates, requests with what they wait for, and totals', () => {
    expect(measure(before, after)).toEqual({
      isConnected: true,
      agents: [
        {
          agent: 'd1',
          epoch: DECODE_EPOCH,
          role: 'decode',
          state: 'running',
          providers: [],
          fallback: false,
          receivedChunksPerS: 100,
          endsPerS: 5,
          errorsPerS: 1,
          pages,
          quarantineAgeMs: 2300,
          queued: 3,
          requests: 1,
        },
        {
          agent: 'p1',
          epoch: PREFILL_EPOCH,
          role: 'prefill',
          state: 'running',
          providers: ['tcp'],
          fallback: true,
          writtenBytesPerS: 2.5e9,
          endsPerS: 5,
          errorsPerS: 0,
          quarantineAgeMs: 0,
          queued: 0,
          requests: 2,
        },
      ],
      requests: [
        {
          agent: 'p1',
          request: 'r1',
          epoch: PREFILL_EPOCH,
          side: 'sender',
          state: 'running.open',
          ageMs: 75_000,
          ...{ batches: 1, chunks: 8, waiting: { gate: 'fabric', text: 'the fabric to deliver 2 chunks' } },
        },
        {
          agent: 'p1',
          request: 'r2',
          epoch: PREFILL_EPOCH,
          side: 'sender',
          state: 'running.open',
          ageMs: 1500,
          ...{ batches: 1, chunks: 8, waiting: { gate: 'engine', text: 'more batches' } },
        },
        {
          agent: 'd1',
          request: 'r2',
          epoch: PREFILL_EPOCH,
          side: 'receiver',
          state: 'running.waiting',
          ageMs: 500,
          batches: 1,
          chunks: 0,
          waiting: { gate: 'admission', text: 'pages for its chunks', endsInMs: 119_000 },
        },
      ],
      totals: {
        agents: 2,
        silent: 0,
        // r2 is known at both of its agents.
        requests: 2,
        writtenBytesPerS: 2.5e9,
        endsPerS: { ready: 4, failed: 1, cancelled: 0, expired: 0 },
      },
    });
  });

  test('has no rates at first, nor of a process that is another one', () => {
    const restarted = sample(1000, [agent({ ...p1, epoch: '00000000000000bb' }, 1000)]);
    for (const earlier of [undefined, restarted]) {
      const { agents, totals } = measure(earlier, after);
      expect(
        agents.map(({ writtenBytesPerS, endsPerS, errorsPerS }) => [writtenBytesPerS, endsPerS, errorsPerS]),
      ).toEqual([
        [undefined, undefined, undefined],
        [undefined, undefined, undefined],
      ]);
      expect(totals.writtenBytesPerS).toBe(0);
    }
  });

  test('has neither rates nor requests of an agent that is silent', () => {
    const [decode, prefill] = after.agents;
    const silent = sample(3000, [decode!, { ...prefill!, silentMs: 2000 }]);
    const { agents, requests, totals } = measure(before, silent);
    expect(agents[1]).toMatchObject({ agent: 'p1', silentMs: 2000 });
    expect(agents[1]?.writtenBytesPerS).toBe(undefined);
    expect(requests.map(({ agent: name }) => name)).toEqual(['d1']);
    expect([totals.silent, totals.requests]).toEqual([1, 1]);
  });

  test('counts requests where they are sent, when agents do not tell of all', () => {
    const many = sample(3000, [
      agent(d1, 3000, { requests: [requestRow('r1', { side: 'receiver' })], requestsTotal: 700 }),
      agent(p1, 3000, { requests: [requestRow('r1')], requestsTotal: 800 }),
    ]);
    expect(measure(undefined, many).totals.requests).toBe(800);
  });

  test('leaves out requests that have ended', () => {
    const ended = sample(3000, [agent(p1, 3000, { requests: [requestRow('r1', { end: 'ready' })] })]);
    expect(measure(undefined, ended).requests).toEqual([]);
  });
});
