/** What must never be is found in a replay, at its step. */
import { expect, test, vi } from 'vitest';
import { CRASHES_MAX } from '../../../src/actors/running/supervisor.js';
import type { Output } from '../../../src/observe/recording/record.js';
import { Watch } from '../../../src/observe/replay/violations.js';
import { Store } from '../../../src/store/store.js';
import { RecordedCluster, replayed } from './support.js';

const keys = ['k0', 'k1'];
/** As many as an agent bears, and one more. */
const CRASHES = CRASHES_MAX + 1;

test('an actor that crashes, and then the agent that fences itself', async () => {
  const cluster = new RecordedCluster();
  await cluster.agent('decode-0', 'decode');
  const prefill = await cluster.agent('prefill-0', 'prefill');
  await cluster.segment('prefill-0', 'engine', keys);
  for (let count = 0; count < CRASHES; count += 1) {
    cluster.fabrics.throwOnNextWrite(new TypeError('a defect'));
    await cluster.put('prefill-0', `r${count}`, ['k0']);
    await cluster.ended(`r${count}`);
  }
  await cluster.settle(prefill.ended);
  const { findings } = await replayed(cluster.file('prefill-0'));
  expect(findings).toMatchObject({ divergences: [], skipped: 0 });
  const { violations } = findings;
  expect(violations.map(({ rule }) => rule)).toEqual([...Array(CRASHES).fill('crashed'), 'fenced']);
  expect(violations.map(({ step }) => step)).toEqual(violations.map(({ step }) => step).toSorted((a, b) => a - b));
  expect(violations.at(-1)?.detail).toContain('agent_fenced: ');
});

test('a store that has lost an invariant, once, where it was lost', async () => {
  const cluster = new RecordedCluster();
  await cluster.agent('decode-0', 'decode');
  await cluster.agent('prefill-0', 'prefill');
  await cluster.segment('prefill-0', 'engine', keys);
  await cluster.put('prefill-0', 'a', keys);
  await cluster.ended('a');
  await cluster.clock.advance(3000);
  const path = cluster.file('decode-0');
  const sound = await replayed(path);
  expect(sound.findings.violations).toEqual([]);
  // As if a commit lost a page.
  const check = vi.spyOn(Store.prototype, 'brokenInvariant').mockImplementation(function (this: Store) {
    return this.pageCounts().ready > 0 ? '2 + 2 pages are not 5' : undefined;
  });
  const { replay, findings } = await replayed(path);
  check.mockRestore();
  expect(findings.violations).toEqual([{ step: expect.any(Number), rule: 'store', detail: '2 + 2 pages are not 5' }]);
  const step = replay.recording.steps[findings.violations[0]?.step ?? 0];
  expect(step?.input).toMatchObject({ in: 'message', subject: expect.stringMatching(/\.commit$/) });
});

test('a second end of one request; the same request under another epoch is another one', () => {
  const watch = new Watch({ ended: new Promise(() => undefined), inspectStore: () => undefined }, 0);
  const announced = (request: string, epoch: string, end: string): Output => ({
    out: 'publish',
    subject: `kvferry.v2.event.decode-0.default.${end}`,
    body: JSON.stringify({ v: 2, request, epoch, end }),
  });
  const look = (step: number, ...outputs: Output[]) => watch.look(step, outputs, undefined, []);
  expect(look(1, announced('a', 'e1', 'ready'), announced('b', 'e1', 'failed'))).toEqual([]);
  expect(look(2, announced('a', 'e2', 'failed'))).toEqual([]);
  expect(look(3, announced('a', 'e1', 'expired'))).toEqual([
    { step: 3, rule: 'one end', detail: 'request e1/a was announced ready, then expired' },
  ]);
});
