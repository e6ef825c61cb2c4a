/** Agents of two protocol versions side by side, as during a rolling update (docs/guide/versions.md). */
import { describe, expect, test } from 'vitest';
import { type Cluster, useCluster } from './support.js';

const clusters = useCluster();
const epoch = '00000000000000aa';
const describeOld = 'kvferry.v1.agent.decode-9.describe';

/** An agent of version 1 answers `describe` and nothing else. Returns what ends it. */
function oldAgent(made: Cluster, agent: string, state = 'running'): () => void {
  const about = { agent, epoch, role: 'decode', state, version: '0.1.0', heartbeatMs: 1000 };
  const reply = JSON.stringify({ v: 1, ok: true, ...about, endpoints: [], unavailable: [] });
  const subscription = made.network
    .connect(agent)
    .subscribe(`kvferry.v1.agent.${agent}.*`, ({ respond }) => respond(reply));
  return () => subscription.close();
}

async function prefill(): Promise<Cluster> {
  const made = clusters.create();
  await made.agent('prefill-0', 'prefill');
  await made.segment('prefill-0', 'engine', ['k0']);
  return made;
}

describe('an agent of this version', () => {
  test.each(['put', 'describe', 'no-such'])(
    '%s of version 1 → unsupported_version in words of version 1',
    async (operation) => {
      const made = await prefill();
      const asked = made.client.request(`kvferry.v1.agent.prefill-0.${operation}`, '{"v":1}', { timeoutMs: 1000 });
      expect(JSON.parse(await made.settle(asked))).toEqual({
        v: 1,
        ok: false,
        error: {
          code: 'unsupported_version',
          message: expect.stringMatching(
            /^agent prefill-0 speaks version 2 .* version 1: update the program that sent it/,
          ),
          field: 'v',
        },
      });
      expect((await made.status('prefill-0')).counters).toMatchObject({ errors_unsupported_version: 1 });
    },
  );

  test('a put for a receiver of version 1 → unsupported_version names it', async () => {
    const made = await prefill();
    oldAgent(made, 'decode-9');
    await expect(made.put('prefill-0', 'r1', ['k0'], { receiver: 'decode-9' })).rejects.toMatchObject({
      code: 'unsupported_version',
      field: 'receiver',
      message: expect.stringMatching(/^agent decode-9 speaks version 1 .* update agent decode-9/),
    });
  });

  test('a put for a receiver that answers in no version → unknown_receiver', async () => {
    const made = await prefill();
    // It refuses messages of version 1, and it is perhaps about to start.
    made.client.subscribe(describeOld, ({ respond }) =>
      respond('{"v":1,"ok":false,"error":{"code":"unsupported_version","message":"no"}}'),
    );
    const put = made.put('prefill-0', 'r1', ['k0'], { receiver: 'decode-9' });
    await expect(put).rejects.toMatchObject({ code: 'unknown_receiver' });
  });

  test('when it stops, it refuses messages of version 1 no longer', async () => {
    const made = clusters.create();
    const agent = await made.agent('decode-0', 'decode');
    await made.settle(agent.stop());
    const asked = made.client.request('kvferry.v1.agent.decode-0.describe', '{"v":1}', { timeoutMs: 1000 });
    await expect(made.settle(asked)).rejects.toMatchObject({ code: 'no_responders' });
  });
});

describe('P23: a name has one owner over two versions', () => {
  test('P23: a process of version 1 runs → the new one refuses to start', async () => {
    const made = clusters.create();
    oldAgent(made, 'decode-0');
    await expect(made.agent('decode-0', 'decode')).rejects.toMatchObject({ code: 'agent_id_taken' });
  });

  test('P23: a process of version 1 drains → the new one waits until it is gone', async () => {
    const made = clusters.create();
    const end = oldAgent(made, 'decode-0', 'draining');
    const startedMs = made.clock.now();
    made.clock.setTimeout(end, 3000);
    const agent = await made.agent('decode-0', 'decode');
    expect([agent.state, made.clock.now() - startedMs >= 3000]).toEqual(['running', true]);
  });
});
