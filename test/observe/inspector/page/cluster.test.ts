import { describe, expect, test } from 'vitest';
import { layOutGraph } from '../../../../src/observe/inspector/page/cluster/graph-layout.js';
import { pointAt } from '../../../../src/observe/inspector/page/cluster/link-labels.js';
import { columnsOf, type Link, linksOf } from '../../../../src/observe/inspector/page/cluster/links.js';
import { cornerOf, layOutPages, neighbour, pageAt } from '../../../../src/observe/inspector/page/cluster/page-grid.js';
import { countPages, PAGES_SHOWN_MAX, readPages } from '../../../../src/observe/inspector/page/cluster/page-runs.js';
import { agent, peer } from './support.js';

describe('pages', () => {
  test('are read from runs, in order, and counted', () => {
    const pages = readPages('f2w1r1k3q1');
    expect(pages).toEqual(['free', 'free', 'writing', 'ready', 'retained', 'retained', 'retained', 'quarantined']);
    expect(countPages(pages)).toEqual({ free: 2, writing: 1, ready: 1, retained: 3, quarantined: 1 });
  });

  test('end where the runs cannot be read, and where no screen could show more', () => {
    expect(readPages('f2x9r1')).toEqual(['free', 'free']);
    expect(readPages('f1000000000r1')).toHaveLength(PAGES_SHOWN_MAX);
    expect(readPages('')).toEqual([]);
  });

  test.each([
    [50, 680],
    [4000, 680],
    [4000, 320],
    [1, 680],
    [640, 340],
  ])('%i pages fill what is there in a width of %i, and do not reach beyond it', (pages, width) => {
    const grid = layOutPages(pages, width);
    expect(grid.width).toBeLessThanOrEqual(width);
    expect(grid.columns * grid.rows).toBeGreaterThanOrEqual(pages);
    expect(grid.columns * (grid.rows - 1)).toBeLessThan(pages);
  });

  test('few pages are drawn large, many small, and too many grow downwards', () => {
    expect(layOutPages(50, 680)).toMatchObject({ side: 24, columns: 20, rows: 3 });
    expect(layOutPages(4000, 680)).toMatchObject({ side: 6, columns: 90, rows: 45 });
    expect(layOutPages(100_000, 680)).toMatchObject({ side: 4 });
  });

  test('have columns in tens, so that numbers can be counted off', () => {
    expect([300, 500, 680, 900].map((width) => layOutPages(4000, width).columns % 10)).toEqual([0, 0, 0, 0]);
  });

  test('are found under a point, each in its own corner; behind the last there is none', () => {
    const grid = layOutPages(50, 680);
    for (const page of [0, 19, 20, 49]) {
      const { x, y } = cornerOf(grid, page);
      expect(pageAt(grid, 50, x, y)).toBe(page);
      expect(pageAt(grid, 50, x + grid.side - 1, y + grid.side - 1)).toBe(page);
    }
    const behind = cornerOf(grid, 50);
    expect(pageAt(grid, 50, behind.x, behind.y)).toBeUndefined();
    expect(pageAt(grid, 50, grid.width + grid.pitch, 0)).toBeUndefined();
    expect(pageAt(grid, 50, -1, 0)).toBeUndefined();
  });

  test('are walked with arrows, and nobody leaves at an edge', () => {
    const grid = layOutPages(50, 680);
    const from = (page: number) =>
      (['left', 'right', 'up', 'down'] as const).map((way) => neighbour(grid, 50, page, way));
    expect(from(21)).toEqual([20, 22, 1, 41]);
    expect(from(0)).toEqual([0, 1, 0, 20]);
    expect(from(49)).toEqual([48, 49, 29, 49]);
    expect([neighbour(grid, 50, 21, 'first'), neighbour(grid, 50, 21, 'last')]).toEqual([0, 49]);
  });
});

describe('links', () => {
  test("two ends make one link, with the graver state and the sender's throughput", () => {
    const agents = [
      agent('prefill-0', 'prefill', [peer('decode-0', 'receiver', { detail: 'over eth0' })], 500),
      agent('decode-0', 'decode', [peer('prefill-0', 'sender', { state: 'connected and suspect' })]),
    ];
    expect(linksOf(agents)).toEqual([
      {
        ...{ sender: 'prefill-0', receiver: 'decode-0', provider: 'tcp', detail: 'over eth0', fallback: [] },
        ...{ atSender: 'connected and alive', atReceiver: 'connected and suspect', tone: 'warn', bytesPerS: 500 },
      },
    ]);
  });

  test('of a sender with two receivers have no throughput of their own', () => {
    const peers = [peer('decode-0', 'receiver'), peer('decode-1', 'receiver')];
    expect(linksOf([agent('prefill-0', 'prefill', peers, 500)]).map(({ bytesPerS }) => bytesPerS)).toEqual([
      undefined,
      undefined,
    ]);
  });

  test('say why a worse provider is used, once', () => {
    const fallback = ['same-host: on another host'];
    const agents = [
      agent('prefill-0', 'prefill', [peer('decode-0', 'receiver', { fallback })]),
      agent('decode-0', 'decode', [peer('prefill-0', 'sender', { fallback })]),
    ];
    expect(linksOf(agents)[0]?.fallback).toEqual(fallback);
  });

  test('are those of the life that goes on, not of the one that was lost before', () => {
    const lives = [peer('decode-0', 'receiver'), peer('decode-0', 'receiver', { state: 'lost' })];
    expect(linksOf([agent('prefill-0', 'prefill', lives)])[0]).toMatchObject({ tone: 'good' });
    expect(linksOf([agent('prefill-0', 'prefill', lives.toReversed())])[0]).toMatchObject({ tone: 'good' });
  });

  test('lead from the left to the right; who does both is on both sides; numbers count', () => {
    const agents = [agent('p10', 'prefill'), agent('p9', 'prefill'), agent('b', 'both'), agent('d', 'decode')];
    expect(columnsOf(agents)).toEqual({ senders: ['b', 'p9', 'p10'], receivers: ['b', 'd'] });
  });
});

describe('the drawing of links', () => {
  const providers = ['tcp', 'verbs', 'same-host', 'net'] as const;
  /** Every sender with every receiver. All links have the same label, or those beside each other have different ones. */
  const all = (senders: readonly string[], receivers: readonly string[], labels: 'same' | 'different' = 'same') =>
    linksOf(
      senders.map((name, row) =>
        agent(
          name,
          'prefill',
          receivers.map((each, column) => {
            const provider = providers[(row * receivers.length + column) % providers.length] ?? 'tcp';
            return peer(each, 'receiver', labels === 'same' ? {} : { provider });
          }),
        ),
      ),
    );

  test('has labels that do not cover each other, and all within its width', () => {
    const senders = ['p0', 'p1', 'p2'];
    const receivers = ['d0', 'd1'];
    const graph = layOutGraph(all(senders, receivers, 'different'), senders, receivers, 560);
    const labels = graph.lines.flatMap(({ label }) => (label === undefined ? [] : [label]));
    expect(labels).toHaveLength(6);
    for (const [index, a] of labels.entries()) {
      expect(a.x - a.width / 2).toBeGreaterThanOrEqual(0);
      expect(a.x + a.width / 2).toBeLessThanOrEqual(graph.width);
      for (const b of labels.slice(index + 1)) {
        const apart =
          Math.abs(a.x - b.x) >= (a.width + b.width) / 2 || Math.abs(a.y - b.y) >= (a.height + b.height) / 2;
        expect(apart).toBe(true);
      }
    }
  });

  test('says how bytes travel, how many, and what is wrong', () => {
    const links = linksOf([
      agent(
        'p',
        'prefill',
        [peer('d', 'receiver', { state: 'connected and suspect', fallback: ['verbs: none'] })],
        2e9,
      ),
    ]);
    expect(layOutGraph(links, ['p'], ['d'], 560).lines[0]?.label?.lines).toEqual([
      'tcp (fallback) · 2.00 GB/s',
      'suspect',
    ]);
  });

  test('has no label on a line that is not its own, where lines cross too', () => {
    const [senders, receivers] = [
      ['p0', 'p1'],
      ['d0', 'd1'],
    ];
    const links = all(senders, receivers, 'different');
    const { lines } = layOutGraph(links, senders, receivers, 480);
    const curves = lines.map(({ path }) => path.match(/[\d.]+/g)?.map(Number) ?? []);
    for (const [index, { label }] of lines.entries()) {
      for (const [other, [fromX = 0, fromY = 0, , , , , toX = 0, toY = 0]] of curves.entries()) {
        if (other === index || label === undefined) continue;
        const points = Array.from({ length: 200 }, (_, n) => pointAt(n / 200, { fromX, toX, fromY, toY }));
        const covered = points.filter(
          ({ x, y }) => Math.abs(x - label.x) < label.width / 2 && Math.abs(y - label.y) < label.height / 2,
        );
        expect(covered, `${label.lines} on line ${other}`).toEqual([]);
      }
    }
  });

  test('says once what is true of most lines, and labels the others', () => {
    const [senders, receivers] = [
      ['p0', 'p1'],
      ['d0', 'd1'],
    ];
    const links = all(senders, receivers);
    const healthy = layOutGraph(links, senders, receivers, 480);
    expect([healthy.shared, healthy.lines.map(({ label }) => label)]).toEqual(['tcp', new Array(4).fill(undefined)]);
    const [first, ...others] = links;
    const ill = layOutGraph(
      [{ ...first, tone: 'warn', atSender: 'connected and suspect' } as Link, ...others],
      senders,
      receivers,
      480,
    );
    expect([ill.shared, ill.lines.map(({ label }) => label?.lines)]).toEqual([
      'tcp',
      [['tcp', 'suspect'], undefined, undefined, undefined],
    ]);
    const single = layOutGraph(all(['p0'], ['d0']), ['p0'], ['d0'], 480);
    expect([single.shared, single.lines[0]?.label?.lines]).toEqual([undefined, ['tcp']]);
  });

  test('leaves out links of agents that are not drawn', () => {
    expect(layOutGraph(all(['p0', 'p1'], ['d0']), ['p0'], ['d0'], 560).lines).toHaveLength(1);
  });
});
