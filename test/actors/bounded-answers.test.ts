/** Whatever the lengths of keys, paths and ids are, an agent answers with what NATS carries, and what is left can be asked for. */
import { describe, expect, test } from 'vitest';
import { decode } from '../../src/protocol/codec.js';
import { type AuditEvent, auditEvent } from '../../src/protocol/events.js';
import { ACQUIRE_KEYS_MAX, KEY_BYTES_MAX, MESSAGE_BYTES_MAX } from '../../src/protocol/limits.js';
import type { OperationReply } from '../../src/protocol/operations.js';
import { subjects } from '../../src/protocol/subjects.js';
import { type Cluster, defaults, PAGE_BYTES, useCluster } from './support.js';

type Acquired = OperationReply<'acquire'>;

const clusters = useCluster();
const PAGES = 4200;
/** JSON takes two bytes for each byte of these keys. */
const keysOf = (count: number) => Array.from({ length: count }, (_, index) => `${index}`.padEnd(KEY_BYTES_MAX, '"'));
/** UTF-8 takes three bytes for each character. */
const longPath = (index: number) => `/memory/${index}/`.padEnd(4096, '字');

/** A cluster that notes the size of every answer of an agent. */
async function bounded(messageBytesMax = MESSAGE_BYTES_MAX): Promise<{ made: Cluster; sizes: number[] }> {
  const made = clusters.create();
  const sizes: number[] = [];
  made.network.messageBytesMax = messageBytesMax;
  made.network.fate = (envelope) => {
    if (envelope.kind === 'reply') sizes.push(Buffer.byteLength(envelope.body));
    return { copies: 1, delayMs: 0 };
  };
  await made.agent('decode-0', 'decode', { arena: { ...defaults.arena, pages: PAGES }, auditIntervalMs: 200 });
  await made.agent('prefill-0', 'prefill');
  return { made, sizes };
}

/** Puts a request over `count` of these keys in batches of `perBatch`. Every chunk has the same byte. */
async function putMany(made: Cluster, request: string, keys: readonly string[], perBatch: number): Promise<string> {
  made.fabrics.files.set('/memory/engine', new Uint8Array(PAGE_BYTES));
  await made.call('prefill-0', 'attach', { segment: 'engine', path: '/memory/engine' });
  let epoch = '';
  for (let from = 0; from < keys.length; from += perBatch) {
    const part = keys.slice(from, from + perBatch);
    const source = part.map(() => ({ segment: 'engine', offset: 0, length: 1 }));
    const isLast = from + perBatch >= keys.length;
    const of = { batch: from / perBatch, last: isLast, totalChunks: keys.length };
    ({ epoch } = await made.put('prefill-0', request, part, { ...of, source }));
  }
  await made.ended(request);
  return epoch;
}

describe('answers of an agent', () => {
  test.each([MESSAGE_BYTES_MAX, 64 * 1024])(
    'P30: acquire of long keys, %i bytes a message → in parts',
    async (most) => {
      const { made, sizes } = await bounded(most);
      const keys = keysOf(most === MESSAGE_BYTES_MAX ? 2000 : 200);
      const epoch = await putMany(made, 'r', keys, Math.floor(most / 1200));
      const found: string[] = [];
      for (let from: number | undefined = 0; from !== undefined; ) {
        const answer: Acquired = await made.call('decode-0', 'acquire', { request: 'r', epoch, from });
        found.push(...answer.keys);
        from = answer.next;
      }
      expect(found).toEqual(keys);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(most);
    },
  );

  test('P30: acquire by name of long keys that are not there → in parts', async () => {
    const { made, sizes } = await bounded();
    const keys = Array.from({ length: ACQUIRE_KEYS_MAX }, (_, index) => `${index}`.padEnd(250, 'k'));
    const missing: string[] = [];
    const parts: number[] = [];
    for (let from: number | undefined = 0; from !== undefined; ) {
      const reader = { request: 'reader', epoch: 'a'.repeat(16) };
      const answer: Acquired = await made.call('decode-0', 'acquire', { ...reader, keys, from });
      missing.push(...answer.missing);
      parts.push(answer.missing.length);
      from = answer.next;
    }
    expect(missing).toEqual(keys);
    expect(parts.length).toBeGreaterThan(1);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MESSAGE_BYTES_MAX);
  });

  test('P30: status of 300 segments with long paths → the rows that fit, and totals', async () => {
    const { made, sizes } = await bounded();
    for (let index = 0; index < 300; index += 1) {
      made.fabrics.files.set(longPath(index), new Uint8Array(1));
      await made.call('prefill-0', 'attach', { segment: `s${index}`, path: longPath(index) });
    }
    const status = await made.status('prefill-0');
    expect([status.segments.length, status.segmentsTotal]).toEqual([18, 301]);
    expect(await made.call('prefill-0', 'status', { limit: 0 })).toMatchObject({
      ...{ segments: [], segmentsTotal: 301, peers: [], requests: [], requestsTotal: 0 },
    });
    expect(await made.call('prefill-0', 'status', { segment: 's299' })).toMatchObject({
      segments: [{ segment: 's299', chunksInUse: 0 }],
      segmentsTotal: 1,
    });
    expect((await made.call('prefill-0', 'status', { lists: ['peers'] })).segments).toEqual([]);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MESSAGE_BYTES_MAX);
  });

  test('P30: journal, explain and inspect of long keys → they fit into 128 KiB', async () => {
    const { made, sizes } = await bounded(128 * 1024);
    const keys = keysOf(90);
    const request = '"'.repeat(128);
    const epoch = await putMany(made, request, keys, 30);
    for (let readers = 0; readers < 40; readers += 1) {
      await made.call('decode-0', 'acquire', {
        request: `${readers}`.padEnd(128, '"'),
        epoch,
        keys: keys.slice(0, 30),
      });
    }
    sizes.length = 0;
    const entries: number[] = [];
    for (let from = 0; ; ) {
      const part = await made.call('decode-0', 'journal', { from });
      entries.push(...part.entries.map(({ n }) => n));
      if (part.next === part.end) break;
      from = part.next;
    }
    expect(entries).toEqual(entries.map((_, index) => index));
    const [explained] = (await made.call('decode-0', 'explain', { key: keys[0] })).explanations;
    expect(explained?.name).toBe(keys[0]);
    expect(explained?.summary.length).toBeLessThan(300);
    await made.call('decode-0', 'explain', { request });
    await made.call('decode-0', 'inspect', { pages: true });
    expect(Math.max(...sizes)).toBeLessThanOrEqual(128 * 1024);
  });

  test('P30: audit of long keys → every key, in events that fit into 64 KiB', async () => {
    const { made } = await bounded(64 * 1024);
    const events: AuditEvent[] = [];
    const bytes: number[] = [];
    made.client.subscribe(subjects.audit('decode-0'), ({ body }) => {
      bytes.push(Buffer.byteLength(body));
      events.push(decode(auditEvent, body));
    });
    const keys = keysOf(200);
    await putMany(made, 'r', keys, 50);
    await made.clock.advance(400);
    const allocated = events.flatMap(({ steps }) => steps).filter(({ action }) => action === 'allocated');
    expect(allocated.flatMap((step) => step.keys)).toEqual(keys);
    expect(Math.max(...bytes)).toBeLessThanOrEqual(64 * 1024);
  });

  test('a put whose allocate would not fit → message_too_large with both sizes', async () => {
    const { made } = await bounded(64 * 1024);
    await made.segment('prefill-0', 'engine', ['a']);
    const keys = Array.from({ length: 200 }, (_, index) => `${index}`.padEnd(321, 'k'));
    const runs = Array.from({ length: 4 }, () => ({ segment: 'engine', offset: 0, length: 1, count: 50, stride: 1 }));
    await expect(made.put('prefill-0', 'r', keys, { source: runs })).rejects.toMatchObject({
      code: 'message_too_large',
      field: 'keys',
      message: expect.stringMatching(/takes 655\d\d bytes .* at most 65536: put its 200 chunks in several batches/),
    });
  });

  test('one segment more than the agent takes → too_many_segments, until one is detached', async () => {
    const made = clusters.create();
    await made.agent('prefill-0', 'prefill', { segmentsMax: 2 });
    made.fabrics.files.set('/memory/s', new Uint8Array(1));
    const attach = (segment: string) => made.call('prefill-0', 'attach', { segment, path: '/memory/s' });
    const attached = await made.settle(Promise.allSettled(['a', 'b', 'c'].map(attach)));
    expect(attached.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    await expect(attach('d')).rejects.toMatchObject({
      code: 'too_many_segments',
      field: 'segment',
      message:
        'agent prefill-0 has 2 segments attached and takes no more: detach what is not used, ' +
        'lay several regions into one file, or configure segmentsMax',
    });
    await made.call('prefill-0', 'detach', { segment: 'a' });
    expect(await attach('d')).toMatchObject({ bytes: 1 });
  });
});
