import { describe, expect, test } from 'vitest';
import type { JournalEntry } from '../../src/protocol/observation.js';
import { type Cluster, type defaults, useCluster } from './support.js';

const clusters = useCluster();
const KEYS = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7'];

async function cluster(options: Partial<typeof defaults> = {}): Promise<Cluster> {
  const made = clusters.create();
  await made.agent('decode-0', 'decode', options);
  for (const agent of ['prefill-0', 'prefill-1']) {
    await made.agent(agent, 'prefill', options);
    await made.segment(agent, 'engine', KEYS);
  }
  return made;
}

/** One line an entry, with what identifies it. */
function line(entry: JournalEntry): string {
  if (entry.kind === 'state')
    return `${entry.machine} ${entry.from ?? '(start)'} > ${entry.to}${entry.done ? ' (done)' : ''}`;
  if (entry.kind === 'message')
    return `${entry.direction} ${entry.operation}${entry.code === undefined ? '' : ` ${entry.code}`}`;
  return `store ${entry.action} ${entry.chunks}: ${entry.keys.join(' ')}${entry.pages === undefined ? '' : ` at ${entry.pages.join(' ')}`}`;
}

async function lines(made: Cluster, agent: string, request: string): Promise<string[]> {
  const { entries } = await made.call(agent, 'journal', { request });
  return entries.map(line);
}

describe('journal', () => {
  test('has the whole life of a request, in order, at its sender', async () => {
    const made = await cluster();
    await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    expect(await lines(made, 'prefill-0', 'r1')).toEqual([
      'request (start) > running.open',
      'transfer (start) > allocating',
      'in put',
      'out allocate',
      'transfer allocating > writing',
      'transfer writing > committing',
      'request running.open > settled',
      'transfer committing > committed (done)',
      'request settled > ended (done)',
      'in ended',
      'out commit',
    ]);
  });

  test('has the whole life of a request and its chunks, in order, at its receiver', async () => {
    const made = await cluster();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    await made.call('decode-0', 'acquire', { request: 'r1', epoch });
    await made.call('decode-0', 'release', { request: 'r1', epoch });
    expect(await lines(made, 'decode-0', 'r1')).toEqual([
      'ingest (start) > running.waiting',
      'store allocated 2: k0 k1 at 0 1',
      'ingest running.waiting > running.receiving',
      'in allocate',
      'store committed 2: k0 k1 at 0 1',
      'ingest running.receiving > ready',
      'store ended 2: ',
      'out event.ready',
      'out ended',
      'in commit',
      'store acquired 2: k0 k1 at 0 1',
      'in acquire',
      'store released 2: k0 k1',
      'ingest ready > released (done)',
      'in release',
    ]);
  });

  test('is read on from a number, and says when nothing is left', async () => {
    const made = await cluster();
    await made.put('prefill-0', 'r1', ['k0']);
    await made.ended('r1');
    const whole = await made.call('prefill-0', 'journal', {});
    const first = await made.call('prefill-0', 'journal', { limit: 3 });
    const rest = await made.call('prefill-0', 'journal', { from: first.next });
    expect(first.entries).toHaveLength(3);
    expect(first.next).toBeLessThan(first.end);
    expect([...first.entries, ...rest.entries]).toEqual(whole.entries);
    expect(rest).toMatchObject({ next: whole.end, end: whole.end, missed: 0 });
  });

  test('keeps the newest entries, and says how many it has not any more', async () => {
    const made = await cluster({ journalEntries: 5 });
    await made.put('prefill-0', 'r1', ['k0']);
    await made.ended('r1');
    const { entries, end, missed } = await made.call('prefill-0', 'journal', { from: 0 });
    expect(entries).toHaveLength(5);
    expect(entries.at(-1)?.n).toBe(end - 1);
    expect(missed).toBe(end - 5);
  });

  test('remembers nothing when it has no room', async () => {
    const made = await cluster({ journalEntries: 0 });
    await made.put('prefill-0', 'r1', ['k0']);
    await made.ended('r1');
    expect(await made.call('prefill-0', 'journal', {})).toMatchObject({ entries: [], end: 0, missed: 0 });
  });

  test('shows the same requests at every agent when only some are asked for', async () => {
    const made = await cluster();
    const names = Array.from({ length: 12 }, (_, index) => `request-${index}`);
    for (const name of names) {
      await made.put('prefill-0', name, ['k0']);
      await made.ended(name);
    }
    const shown = async (agent: string) => {
      const { entries } = await made.call(agent, 'journal', { oneIn: 3 });
      return new Set(entries.flatMap(({ request }) => (request === undefined ? [] : [request])));
    };
    const atSender = await shown('prefill-0');
    expect(await shown('decode-0')).toEqual(atSender);
    expect(atSender.size).toBeGreaterThan(0);
    expect(atSender.size).toBeLessThan(names.length);
  });

  test('says why something was refused, and why a request ended', async () => {
    const made = await cluster();
    await expect(made.put('prefill-0', 'r1', ['k0'], { batch: 3 })).rejects.toMatchObject({
      code: 'batch_out_of_order',
    });
    await made.put('prefill-0', 'r2', ['k0'], { last: false, totalChunks: 2 });
    await made.call('prefill-0', 'cancel', { request: 'r2' });
    await made.ended('r2');
    expect(await lines(made, 'prefill-0', 'r1')).toEqual(['in put batch_out_of_order']);
    const { entries } = await made.call('decode-0', 'journal', { request: 'r2' });
    expect(entries.map(line)).toContain('out event.cancelled cancelled_by_caller');
    expect(entries.find((entry) => entry.kind === 'state' && entry.done)).toMatchObject({
      reason: { code: 'cancelled_by_caller' },
    });
  });

  test('says nothing of those who look', async () => {
    const made = await cluster();
    const { end } = await made.call('decode-0', 'journal', {});
    await made.status('decode-0');
    await made.call('decode-0', 'inspect', { pages: true });
    await made.call('decode-0', 'explain', { page: 0 });
    await made.call('decode-0', 'describe', {});
    expect((await made.call('decode-0', 'journal', {})).end).toBe(end);
  });
});

describe('inspect', () => {
  test('shows a transfer: state, context, what it waits for, and until when', async () => {
    const made = await cluster();
    await made.put('prefill-0', 'r1', ['k0'], { last: false, totalChunks: 2, timeoutMs: 10_000 });
    await made.clock.advance(1000);
    const { actors, actorsTotal } = await made.call('prefill-0', 'inspect', { request: 'r1' });
    expect(actorsTotal).toBe(1);
    expect(actors).toEqual([
      {
        machine: 'request',
        actor: 'request 0000000000000002/r1',
        request: 'r1',
        epoch: '0000000000000002',
        peer: 'decode-0',
        state: 'running.open',
        paths: ['request.running', 'request.running.open'],
        ageMs: expect.closeTo(1000, -2),
        inStateMs: expect.closeTo(1000, -2),
        waiting: { gate: 'engine', text: 'the engine to put batch 1', endsInMs: expect.closeTo(9000, -2) },
        context: expect.objectContaining({ request: 'r1', receiver: 'decode-0', batches: 1, active: 0, lastIn: false }),
      },
    ]);
  });

  test('has the agent and its peers first, and one actor by its name', async () => {
    const made = await cluster();
    await made.put('prefill-0', 'r1', ['k0'], { last: false, totalChunks: 2 });
    await made.clock.advance(100);
    const { actors } = await made.call('prefill-0', 'inspect', {});
    expect(actors.map(({ actor, state }) => `${actor}: ${state}`)).toEqual([
      'agent prefill-0: running',
      'line prefill-0: up',
      'peer decode-0/0000000000000001: alive',
      'connection decode-0/0000000000000001: connected.online',
      'request 0000000000000002/r1: running.open',
    ]);
    const one = await made.call('prefill-0', 'inspect', { actor: 'agent prefill-0' });
    expect(one.actors.map(({ actor }) => actor)).toEqual(['agent prefill-0']);
    expect(await made.call('prefill-0', 'inspect', { actors: 1 })).toMatchObject({ actors: [{}], actorsTotal: 5 });
  });

  test('forgets actors that have ended', async () => {
    const made = await cluster();
    await made.put('prefill-0', 'r1', ['k0']);
    await made.ended('r1');
    await made.clock.advance(100);
    expect(await made.call('prefill-0', 'inspect', { request: 'r1' })).toMatchObject({ actors: [], actorsTotal: 0 });
  });

  test('maps the pages by their state', async () => {
    const made = await cluster({ retainedMax: 8 });
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    await made.call('decode-0', 'release', { request: 'r1', epoch, keys: ['k0'] });
    expect(await made.call('decode-0', 'inspect', { pages: true })).toMatchObject({ pages: 'k1r1f6' });
    expect(await made.call('decode-0', 'inspect', {})).not.toHaveProperty('pages');
    expect(await made.call('prefill-0', 'inspect', { pages: true })).not.toHaveProperty('pages');
  });
});

describe('explain', () => {
  test('a request stuck on a full arena: the gate, the deadline and the holder', async () => {
    const made = await cluster();
    const { epoch } = await made.put('prefill-0', 'holder', ['k0', 'k1', 'k2', 'k3', 'k4', 'k5']);
    await made.ended('holder');
    await made.put('prefill-1', 'waits', ['k6', 'k7', 'k4'], { timeoutMs: 20_000, last: false, totalChunks: 8 });
    await made.clock.advance(1000);
    const { explanations } = await made.call('decode-0', 'explain', { request: 'waits' });
    expect(explanations).toHaveLength(1);
    expect(explanations[0]).toMatchObject({
      about: 'request',
      side: 'receiver',
      state: 'running.waiting',
      waiting: {
        gate: 'admission',
        text: '7 pages of the arena: 2 of 8 are available, and it is first in the queue',
        endsInMs: expect.closeTo(19_000, -2),
      },
      holders: [
        {
          request: 'holder',
          epoch,
          holds: 'ready, not released: 6 chunks leased',
          pages: 6,
          endsInMs: expect.closeTo(59_000, -4),
        },
      ],
      holdersTotal: 1,
    });
    expect(explanations[0]?.summary).toMatch(
      /^Request 0{15}3\/waits has been running\.waiting for 1\.0 s\. It waits for 7 pages of the arena: .*\. It times out in 19\.0 s\.$/,
    );
    const atSender = await made.call('prefill-1', 'explain', { request: 'waits' });
    expect(atSender.explanations[0]).toMatchObject({
      side: 'sender',
      state: 'running.open',
      waiting: { gate: 'admission', text: 'free pages of decode-0 for its chunks' },
      summary: expect.stringContaining('batch 0 is queued'),
    });
  });

  test('a request that has ended: how, why, and its trail', async () => {
    const made = await cluster();
    await made.put('prefill-0', 'r1', ['k0'], { last: false, totalChunks: 2 });
    await made.clock.advance(100);
    await made.call('prefill-0', 'cancel', { request: 'r1' });
    await made.ended('r1');
    await made.clock.advance(2000);
    for (const agent of ['prefill-0', 'decode-0']) {
      const { explanations } = await made.call(agent, 'explain', { request: 'r1' });
      expect(explanations).toHaveLength(1);
      expect(explanations[0]).toMatchObject({ state: 'ended cancelled', holders: [] });
      expect(explanations[0]?.summary).toMatch(
        /ended cancelled 2\.0 s ago: request r1 was cancelled \(cancelled_by_caller\)\.$/,
      );
      expect(explanations[0]?.trail.length).toBeGreaterThan(3);
    }
  });

  test('a transfer, live and ended', async () => {
    const made = await cluster();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    const { explanations } = await made.call('prefill-0', 'explain', { transfer: `${epoch}/r1/0` });
    expect(explanations).toMatchObject([{ about: 'transfer', state: 'committed', side: 'sender' }]);
    expect(explanations[0]?.trail.map(line)).toEqual([
      'transfer (start) > allocating',
      'in put',
      'out allocate',
      'transfer allocating > writing',
      'transfer writing > committing',
      'transfer committing > committed (done)',
      'out commit',
    ]);
  });

  test('a key: where it is, who leases it, and its trail, also when it is gone', async () => {
    const made = await cluster();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    const held = await made.call('decode-0', 'explain', { key: 'k1' });
    expect(held.explanations).toMatchObject([
      {
        ...{ about: 'key', name: 'k1', state: 'ready', holders: [{ request: 'r1', epoch, pages: 2 }] },
        summary: `Key k1 (64 bytes, page 1) is ready, written by request ${epoch}/r1. Holders with a lease: 1.`,
      },
    ]);
    await made.call('decode-0', 'release', { request: 'r1', epoch });
    const gone = await made.call('decode-0', 'explain', { key: 'k1' });
    expect(gone.explanations).toMatchObject([{ state: 'absent', summary: 'Key k1 is not in the arena.', holders: [] }]);
    expect(gone.explanations[0]?.trail.map(line)).toEqual([
      'store allocated 2: k0 k1 at 0 1',
      'store committed 2: k0 k1 at 0 1',
      'store released 2: k0 k1',
    ]);
  });

  test('a page: what is in it, or whom its quarantine waits for', async () => {
    const made = await cluster();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0']);
    await made.ended('r1');
    const ready = await made.call('decode-0', 'explain', { page: 0 });
    expect(ready.explanations).toMatchObject([{ state: 'ready', holders: [{ request: 'r1', epoch }] }]);
    expect(ready.explanations[0]?.summary).toMatch(/^Page 0 has generation 1\. Key k0 /);
    const free = await made.call('decode-0', 'explain', { page: 7 });
    expect(free.explanations).toMatchObject([{ state: 'free', holders: [], trail: [] }]);
    expect(await made.call('decode-0', 'explain', { page: 8 })).toMatchObject({ explanations: [] });
  });

  test('a joined chunk: who writes it, and who waits', async () => {
    const made = await cluster();
    const writes = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
    const writer = await made.put('prefill-0', 'writer', ['k0']);
    await made.settle(made.fabrics.holding(1));
    const joiner = await made.put('prefill-1', 'joiner', ['k0']);
    await made.clock.advance(100);
    const key = await made.call('decode-0', 'explain', { key: 'k0' });
    expect(key.explanations).toMatchObject([
      {
        ...{ state: 'writing', waiting: { gate: 'sender', text: `request ${writer.epoch}/writer to write it` } },
        holders: [{ request: 'writer' }, { request: 'joiner' }],
      },
    ]);
    expect(key.explanations[0]?.trail.map(line)).toEqual(['store allocated 1: k0 at 0', 'store joined 1: k0']);
    const waits = await made.call('decode-0', 'explain', { request: 'joiner' });
    expect(waits.explanations).toMatchObject([
      {
        waiting: { gate: 'writer', text: 'other requests to write 1 chunks that it has joined' },
        holders: [{ request: 'writer', epoch: writer.epoch }],
      },
    ]);
    const joining = await made.call('prefill-1', 'explain', { transfer: `${joiner.epoch}/joiner/0` });
    expect(joining.explanations).toMatchObject([{ about: 'transfer', state: 'joining', waiting: { gate: 'writer' } }]);
    writes.release();
    expect(await made.ended('joiner')).toMatchObject({ end: 'ready', joined: 1 });
  });

  test('names exactly one thing, and knows nothing of what it never had', async () => {
    const made = await cluster();
    await expect(made.call('decode-0', 'explain', {})).rejects.toMatchObject({ code: 'invalid_field' });
    await expect(made.call('decode-0', 'explain', { key: 'k0', page: 1 })).rejects.toMatchObject({
      code: 'invalid_field',
    });
    expect(await made.call('decode-0', 'explain', { request: 'never' })).toMatchObject({ explanations: [] });
    expect(await made.call('prefill-0', 'explain', { page: 0 })).toMatchObject({ explanations: [] });
  });
});
