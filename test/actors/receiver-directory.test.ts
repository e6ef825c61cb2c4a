import { expect, test } from 'vitest';
import { useCluster } from './support.js';

const clusters = useCluster();

test('two puts at once to a receiver that is not known yet → one connection', async () => {
  const made = clusters.create();
  await made.agent('decode-0', 'decode');
  await made.agent('prefill-0', 'prefill');
  await made.segment('prefill-0', 'engine', ['k0', 'k1']);
  await Promise.all([made.put('prefill-0', 'a', ['k0']), made.put('prefill-0', 'b', ['k1'])]);
  await made.ended('a');
  await made.ended('b');
  const { entries } = await made.call('decode-0', 'journal', {});
  const connects = entries.filter((entry) => entry.kind === 'message' && entry.operation === 'connect');
  expect(connects).toHaveLength(1);
});
