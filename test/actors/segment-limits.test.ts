/** Limits of segments hold while segments are being attached: each counts from the moment at which it is accepted. */
import { expect, test } from 'vitest';
import type { AgentOptions } from '../../src/actors/env/agent-options.js';
import { SlowAttach } from './slow-attach.js';
import { useCluster } from './support.js';

const clusters = useCluster(SlowAttach);
const TENANT = 'team-a';

async function prefill(options: Partial<AgentOptions>) {
  const made = clusters.create();
  await made.agent('prefill-0', 'prefill', options);
  made.fabrics.files.set('/memory/s', new Uint8Array(1));
  const attach = (segment: string, more: object = {}) =>
    made.call('prefill-0', 'attach', { segment, path: '/memory/s', ...more }, TENANT);
  const codes = async (names: readonly string[], more?: object) => {
    const attached = await made.settle(Promise.allSettled(names.map((name) => attach(name, more))));
    return attached.map((one) => (one.status === 'fulfilled' ? 'ok' : one.reason.code));
  };
  return { made, codes };
}

test('P32: more segments at once than the tenant may have → quota_exceeded', async () => {
  const { made, codes } = await prefill({ tenantSegmentsMax: 2 });
  expect(await codes(['a', 'b', 'c', 'd'])).toEqual(['ok', 'ok', 'quota_exceeded', 'quota_exceeded']);
  await made.call('prefill-0', 'detach', { segment: 'a' }, TENANT);
  expect(await codes(['c'])).toEqual(['ok']);
});

test('more segments at once than without a session → too_many_segments', async () => {
  const { codes } = await prefill({ segmentsMax: 20 });
  const names = Array.from({ length: 18 }, (_, index) => `s${index}`);
  expect(await codes(names)).toEqual([...names.slice(0, 16).map(() => 'ok'), 'too_many_segments', 'too_many_segments']);
});

test('segments that cannot be attached → they count no longer', async () => {
  const { codes } = await prefill({ tenantSegmentsMax: 2 });
  const absent = { path: '/memory/absent' };
  expect(await codes(['a', 'b'], absent)).toEqual(['segment_not_found', 'segment_not_found']);
  expect(await codes(['c', 'd'])).toEqual(['ok', 'ok']);
});
