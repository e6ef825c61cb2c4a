import { describe, expect, test } from 'vitest';
import { type FrameOptions, frame } from '../../../src/cli/top/frame.js';
import { measure } from '../../../src/cli/top/measure.js';
import { firstView, type View } from '../../../src/cli/top/view.js';
import { after, agent, before, d1, p1, requestRow, sample } from './support.js';

const options: FrameOptions = { address: 'nats://n1:4222', intervalMs: 1000, columns: 150 };
const measured = measure(before, after);
const keys = 'q quit  p pause  1 all  2 agents  3 requests  s sort  f filter  ↑↓ scroll';

function shown(view: Partial<View> = {}, more: Partial<FrameOptions> = {}, what = measured) {
  return frame(what, { ...firstView, ...view }, { ...options, ...more });
}

const title = 'kvferry top  nats://n1:4222  every 1 s';
const totals = '2 agents  2 requests (3 rows)  2.50 GB/s  ends/s: 4.0 ready, 1.0 failed, 0 cancelled, 0 expired';
const agentLines = [
  'AGENT  ROLE     STATE    PROVIDER      OUT MB/s  IN CHUNKS/s  ENDS/s  PAGES                 FREE  QUEUE  QUARANTINE  ERRORS/s',
  'd1     decode   running  -                    -          100     5.0  [wwrkkkkq........]  64/128      3  8 for 2.3s       1.0',
  'p1     prefill  running  tcp FALLBACK      2500            -     5.0  -                        -      -           -         0',
];
const requestLines = [
  'REQUEST    AGE  AGENT  SIDE      STATE            CHUNKS  WAITS FOR',
  'r1       1m15s  p1     sender    running.open          8  fabric: the fabric to deliver 2 chunks',
  'r2        1.5s  p1     sender    running.open          8  engine: more batches',
  'r2        0.5s  d1     receiver  running.waiting       0  admission: pages for its chunks, 1m59s left',
];

describe('a frame', () => {
  test('that is printed shows everything', () => {
    expect(shown()).toEqual([title, totals, '', ...agentLines, '', ...requestLines]);
  });

  test('on a screen ends with the keys', () => {
    expect(shown({}, { rows: 40 })).toEqual([title, totals, '', ...agentLines, '', ...requestLines, keys]);
  });

  test('shows only agents, or only requests', () => {
    expect(shown({ panel: 'agents' })).toEqual([title, totals, '', ...agentLines]);
    expect(shown({ panel: 'requests' })).toEqual([title, totals, '', ...requestLines]);
  });

  test('sorts requests, oldest first among equals', () => {
    const [head, r1, r2, r2AtReceiver] = requestLines;
    expect(shown({ panel: 'requests', sort: 'chunks' })).toEqual([
      `${title}  sorted by chunks`,
      totals,
      '',
      ...[head, r1, r2, r2AtReceiver],
    ]);
    expect(shown({ panel: 'requests', sort: 'agent' }).slice(3)).toEqual([head, r2AtReceiver, r1, r2]);
    expect(shown({ panel: 'requests', sort: 'state' }).slice(3)).toEqual([head, r1, r2, r2AtReceiver]);
  });

  test('a filter applies to agents and requests', () => {
    expect(shown({ filter: 'r1' })).toEqual([
      `${title}  filter: r1`,
      totals,
      '',
      'AGENT  ROLE  STATE  PROVIDER  OUT MB/s  IN CHUNKS/s  ENDS/s  PAGES  FREE  QUEUE  QUARANTINE  ERRORS/s',
      '',
      'REQUEST    AGE  AGENT  SIDE    STATE         CHUNKS  WAITS FOR',
      'r1       1m15s  p1     sender  running.open       8  fabric: the fabric to deliver 2 chunks',
    ]);
  });

  test('filters by what is seen', () => {
    const found = (filter: string) =>
      shown({ filter, panel: 'requests' })
        .slice(4)
        .map((line) => line.slice(0, 2));
    expect(['admission', 'receiver', 'batches', 'batchesTotal'].map(found)).toEqual([['r2'], ['r2'], ['r2'], []]);
  });

  test('shows a filter that is being typed in the place of the keys', () => {
    expect(shown({ typing: 'r', filter: '' }, { rows: 40 }).at(-1)).toBe('filter: r_');
  });

  test('says that it stands still, and that NATS is away', () => {
    const away = measure(before, sample(3000, [], false));
    expect(shown({ isPaused: true }, {}, away)).toEqual([
      `${title}  PAUSED  NATS IS DISCONNECTED`,
      '0 agents  0 requests  0.00 GB/s  ends/s: 0 ready, 0 failed, 0 cancelled, 0 expired',
      '',
      'no agent answers; start one with: kvferry agent',
    ]);
  });

  test('before the first answers says so', () => {
    expect(frame(undefined, firstView, { ...options, rows: 10 })).toEqual([
      title,
      'waiting for the first answers of agents',
      '',
      keys,
    ]);
  });

  test('shows an agent that is silent with its last words', () => {
    const [decode, prefill] = after.agents;
    const silent = measure(before, sample(3000, [{ ...decode!, silentMs: 2100 }, prefill!]));
    const lines = shown({ panel: 'agents' }, {}, silent);
    expect(lines[1]).toBe(
      '2 agents (1 silent)  2 requests  2.50 GB/s  ends/s: 0 ready, 0 failed, 0 cancelled, 0 expired',
    );
    expect(lines[4]).toBe(
      'd1     decode   silent 2.1s  -                    -            -       -  [wwrkkkkq........]  64/128      3  8 for 2.3s         -',
    );
  });

  test('shows what there is little of in the bar', () => {
    const pages = { total: 1000, free: 997, writing: 1, ready: 1, retained: 0, quarantined: 1, reserved: 0 };
    const [, line] = shown({ panel: 'agents' }, {}, measure(undefined, sample(0, [agent(d1, 0, { pages })]))).slice(3);
    expect(line).toContain('[wrq.............]');
  });

  test('cannot be changed by what agents say', () => {
    const row = requestRow('r1', { state: 'a\u001B[2Jb\nc' });
    const [, line] = shown(
      { panel: 'requests' },
      {},
      measure(undefined, sample(0, [agent(p1, 0, { requests: [row] })])),
    ).slice(3);
    expect(line).toContain('a?[2Jb?c');
  });
});

describe('on a narrow screen', () => {
  test('columns that matter less are left out, and lines cut', () => {
    expect(shown({}, { columns: 50, rows: 40 })).toEqual([
      title,
      '2 agents  2 requests (3 rows)  2.50 GB/s  ends/s:…',
      '',
      'Too narrow for: ROLE, PROVIDER, IN CHUNKS/s, ENDS…',
      'AGENT  STATE    OUT MB/s    FREE  QUEUE',
      'd1     running         -  64/128      3',
      'p1     running      2500       -      -',
      '',
      'REQUEST    AGE  STATE            WAITS FOR',
      'r1       1m15s  running.open     fabric: the fabr…',
      'r2        1.5s  running.open     engine: more bat…',
      'r2        0.5s  running.waiting  admission: pages…',
      'q quit  p pause  1 all  2 agents  3 requests  s s…',
    ]);
  });

  test('no line is longer and no frame higher than the screen, whatever its size', () => {
    for (const panel of ['all', 'agents', 'requests'] as const) {
      for (let columns = 1; columns <= 160; columns += 7) {
        for (let rows = 1; rows <= 14; rows += 1) {
          const lines = shown({ panel }, { columns, rows });
          expect(lines.length).toBeLessThanOrEqual(rows);
          expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
        }
      }
    }
  });
});

describe('on a low screen', () => {
  const many = measure(
    undefined,
    sample(0, [
      agent(p1, 0, { requests: Array.from({ length: 20 }, (_, n) => requestRow(`r${n}`, { ageMs: 20_000 - n })) }),
    ]),
  );
  const requestsOf = (lines: readonly string[]) =>
    lines.filter((line) => /^(r\d+|…)/.test(line)).map((line) => line.split(/ {2,}/)[0]);

  test('rows are cut, with how many there are', () => {
    expect(requestsOf(shown({ panel: 'requests' }, { rows: 10 }, many))).toEqual(['r0', 'r1', 'r2', 'r3', '… 16 more']);
  });

  test('rows are scrolled, to the last one', () => {
    expect(requestsOf(shown({ panel: 'requests', scroll: 3 }, { rows: 10 }, many))).toEqual([
      ...['r3', 'r4', 'r5', 'r6'],
      '… 13 more',
    ]);
    expect(requestsOf(shown({ panel: 'requests', scroll: 99 }, { rows: 10 }, many))).toEqual(['r19']);
  });
});
