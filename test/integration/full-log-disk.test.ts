/** The disk of the logs is full: agents go on, and end with SIGTERM. `/dev/full` is such a disk. */
import { expect, test } from 'vitest';
import { ChildProcess } from '../../src/processes/child-process.js';
import { poll, within } from '../../src/processes/within.js';
import { MAIN, missing, PAGE_BYTES, RealCluster } from './support.js';

const WAIT_MS = 60_000;
const TO_FULL_DISK = 'exec "$0" "$@" > /dev/full 2>&1';

test.skipIf(missing)('the log of an agent cannot be written → it moves chunks, and ends with SIGTERM', async () => {
  await using cluster = await RealCluster.start();
  const args = ['--role', 'decode', '--nats-url', cluster.url, '--provider', 'tcp', '--page-bytes', `${PAGE_BYTES}`];
  const agent = new ChildProcess({
    name: 'agent decode-0',
    command: 'sh',
    args: ['-c', TO_FULL_DISK, process.execPath, MAIN, 'agent', '--agent-id', 'decode-0', ...args],
    channel: true,
  });
  const answers = async () => (await cluster.client.discover()).find(({ state }) => state === 'running');
  expect(await poll(WAIT_MS, answers)).toMatchObject({ agent: 'decode-0' });
  await cluster.agent('prefill-0', 'prefill', 'tcp');
  await cluster.segment('prefill-0', ['a', 'b']);
  await cluster.put('prefill-0', 'prompt', ['a', 'b']);
  expect(await cluster.ended('prompt')).toMatchObject({ end: 'ready' });
  const holder = { request: 'prompt', epoch: cluster.epochOf('prefill-0') };
  expect(cluster.wrongPages(await cluster.client.acquire('decode-0', holder))).toEqual([]);
  await cluster.client.release('decode-0', holder);
  agent.signal('SIGTERM');
  expect(await within(WAIT_MS, 'the agent did not end', agent.exited)).toMatchObject({ code: 0 });
});
