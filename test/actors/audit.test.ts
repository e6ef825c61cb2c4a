import { describe, expect, test } from 'vitest';
import { decode } from '../../src/protocol/codec.js';
import { type AuditEvent, auditEvent } from '../../src/protocol/events.js';
import { KEYS_PER_BATCH_MAX, MESSAGE_BYTES_MAX } from '../../src/protocol/limits.js';
import { subjects } from '../../src/protocol/subjects.js';
import { type Cluster, defaults, PAGE_BYTES, useCluster } from './support.js';

const clusters = useCluster();

/** A cluster, and what its decode agent publishes of its chunks. */
async function audited(pages = 8): Promise<{ made: Cluster; events: AuditEvent[]; bytes: number[] }> {
  const made = clusters.create();
  const events: AuditEvent[] = [];
  const bytes: number[] = [];
  made.client.subscribe(subjects.audit('decode-0'), ({ body }) => {
    bytes.push(body.length);
    events.push(decode(auditEvent, body));
  });
  await made.agent('decode-0', 'decode', { auditIntervalMs: 200, arena: { ...defaults.arena, pages } });
  await made.agent('prefill-0', 'prefill');
  return { made, events, bytes };
}

describe('audit', () => {
  test('every step of every chunk is published, numbered, within the interval', async () => {
    const { made, events } = await audited();
    await made.segment('prefill-0', 'engine', ['k0', 'k1']);
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    await made.clock.advance(200);
    await made.call('decode-0', 'release', { request: 'r1', epoch });
    await made.clock.advance(200);
    expect(events.map(({ number }) => number)).toEqual(events.map((_, index) => index));
    const steps = events.flatMap((event) => event.steps).map(({ atMs: _, ...step }) => step);
    const of = { request: 'r1', epoch };
    expect(steps).toEqual([
      { action: 'granted', chunks: 0, keys: [], detail: expect.stringContaining(epoch) },
      { action: 'allocated', ...of, batch: 0, chunks: 2, keys: ['k0', 'k1'], pages: [0, 1] },
      { action: 'committed', ...of, batch: 0, chunks: 2, keys: ['k0', 'k1'], pages: [0, 1] },
      { action: 'ended', ...of, chunks: 2, keys: [], detail: 'ready' },
      { action: 'released', ...of, chunks: 2, keys: ['k0', 'k1'] },
    ]);
  });

  test('a full batch of the longest keys comes in messages that NATS takes', async () => {
    const { made, events, bytes } = await audited(KEYS_PER_BATCH_MAX);
    const keys = Array.from({ length: KEYS_PER_BATCH_MAX }, (_, index) => `${index}`.padStart(112, 'k'));
    made.fabrics.files.set('/memory/engine', new Uint8Array(PAGE_BYTES));
    await made.call('prefill-0', 'attach', { segment: 'engine', path: '/memory/engine' });
    await made.put('prefill-0', 'r1', keys, { source: pieces(keys.length) });
    await made.ended('r1');
    await made.clock.advance(200);
    const allocated = events.flatMap((event) => event.steps).filter(({ action }) => action === 'allocated');
    expect(allocated.flatMap((step) => step.keys)).toEqual(keys);
    expect(allocated.flatMap((step) => step.pages ?? [])).toHaveLength(keys.length);
    expect(Math.max(...bytes)).toBeLessThan(MESSAGE_BYTES_MAX);
  });

  test('what is left is published when the agent stops', async () => {
    const { made, events } = await audited();
    await made.segment('prefill-0', 'engine', ['k0']);
    await made.put('prefill-0', 'r1', ['k0']);
    await made.ended('r1');
    await made.stop();
    expect(events.flatMap((event) => event.steps).map(({ action }) => action)).toContain('ended');
  });
});

/** Runs of one-byte chunks that all lie in one page of source memory. */
function pieces(chunks: number): { segment: string; offset: number; length: number; count: number; stride: number }[] {
  const runs = Math.ceil(chunks / PAGE_BYTES);
  return Array.from({ length: runs }, (_, index) => ({
    segment: 'engine',
    offset: 0,
    length: 1,
    stride: 1,
    count: Math.min(PAGE_BYTES, chunks - index * PAGE_BYTES),
  }));
}
