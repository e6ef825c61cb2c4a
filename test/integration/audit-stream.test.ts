/** Audit events in a JetStream stream of a real nats-server. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { describe, expect, test } from 'vitest';
import { patient } from '../../src/processes/patience.js';
import { decode } from '../../src/protocol/codec.js';
import { auditEvent } from '../../src/protocol/events.js';
import { missing, RealCluster } from './support.js';

const TEST_TIMEOUT_MS = patient(180_000);
const KEYS = ['a', 'b'];

function temporaryDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'kvferry-jetstream-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

describe.skipIf(missing !== undefined)(`audit stream${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  test(
    'an agent is gone → a JetStream stream still has the trail of its chunks',
    async () => {
      using directory = temporaryDirectory();
      await using cluster = await RealCluster.start('--jetstream', '--store_dir', directory.path);
      const nats = await connect({ servers: cluster.url });
      const api = async (operation: string, body: object): Promise<Record<string, unknown>> => {
        const answer = await nats.request(`$JS.API.${operation}`, JSON.stringify(body), { timeout: 10_000 });
        return answer.json();
      };
      const stream = { name: 'AUDIT', subjects: ['kvferry.v2.audit.*'], storage: 'memory', retention: 'limits' };
      expect(await api('STREAM.CREATE.AUDIT', stream)).not.toHaveProperty('error');
      const [decodeAgent] = await Promise.all([
        cluster.agent('decode-0', 'decode', 'same-host', {
          args: ['--audit-interval-ms', '50'],
        }),
        cluster.agent('prefill-0', 'prefill', 'same-host'),
      ]);
      await cluster.segment('prefill-0', KEYS);
      await cluster.put('prefill-0', 'r1', KEYS);
      await cluster.ended('r1');
      // The agent publishes the remaining events when it stops.
      expect(await decodeAgent.end('SIGTERM')).toBe(0);
      const { state } = (await api('STREAM.INFO.AUDIT', {})) as { state: { messages: number } };
      const events = await Promise.all(
        Array.from({ length: state.messages }, async (_, index) => {
          const { message } = (await api('STREAM.MSG.GET.AUDIT', { seq: index + 1 })) as { message: { data: string } };
          return decode(auditEvent, Buffer.from(message.data, 'base64').toString());
        }),
      );
      const actions = (key: string) =>
        events.flatMap(({ steps }) => steps.filter(({ keys }) => keys.includes(key)).map(({ action }) => action));
      expect(actions('a').slice(0, 2)).toEqual(['allocated', 'committed']);
      expect(events.map(({ number }) => number)).toEqual(events.map((_, index) => index));
      await nats.close();
    },
    TEST_TIMEOUT_MS,
  );
});
