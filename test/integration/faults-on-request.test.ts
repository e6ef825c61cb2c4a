/** Faults on request at real agents: each fault has the effect that it is meant to demonstrate. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { runProgram } from '../../src/cli/program.js';
import { RecordedTerminal } from '../support/recorded-terminal.js';
import { HEARTBEAT_MS, missing, PAGE_BYTES, providerMissing, RealCluster } from './support.js';

const keys = ['k0', 'k1', 'k2', 'k3'];
const allowed = { args: ['--allow-faults'] };
/** Duration of a fault that must not end by itself during a test. */
const LONG_MS = 30_000;

/** Starts a writer that allows faults, another sender with the same chunks, and their receiver. */
async function start(provider?: 'same-host' | 'tcp') {
  const cluster = await RealCluster.start();
  const [, writer] = await Promise.all([
    cluster.agent('decode-0', 'decode', provider, allowed),
    cluster.agent('prefill-0', 'prefill', provider, allowed),
    cluster.agent('prefill-1', 'prefill', provider),
  ]);
  await cluster.segment('prefill-0', keys);
  await cluster.segment('prefill-1', keys);
  return { cluster, writer };
}

/** Puts request `a`, which writes, and request `b`, which joins the chunks of `a`. */
async function joined(cluster: RealCluster): Promise<{ readonly epoch: string }> {
  await cluster.put('prefill-0', 'a', keys);
  await cluster.statusWhen('decode-0', ({ pages }) => pages?.writing === keys.length);
  const { epoch } = await cluster.put('prefill-1', 'b', keys);
  await cluster.statusWhen('decode-0', ({ requests }) =>
    requests.some((row) => row.request === 'b' && row.state === 'running.receiving'),
  );
  return { epoch };
}

async function wrongPages(cluster: RealCluster, request: string, epoch: string): Promise<string[]> {
  const acquired = await cluster.client.acquire('decode-0', { request, epoch });
  expect(acquired.keys.toSorted()).toEqual(keys);
  return cluster.wrongPages(acquired);
}

function processState(pid: number): string | undefined {
  const path = `/proc/${pid}/stat`;
  return existsSync(path) ? readFileSync(path, 'utf8').split(') ')[1]?.[0] : undefined;
}

describe.skipIf(missing !== undefined)(
  `faults on request${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    test('a writer is killed → the request that joined its chunks takes over, is ready', async () => {
      const { cluster, writer } = await start();
      await using _ = cluster;
      // The fault holds the write of `a`, so that `b` can join it.
      await cluster.client.fault('prefill-0', { fault: 'zombie-writer', forMs: LONG_MS });
      const { epoch } = await joined(cluster);
      const { epoch: dead } = await cluster.client.fault('prefill-0', { fault: 'kill' });
      expect(dead).toBe(cluster.epochOf('prefill-0'));
      expect(await writer.ended).toBe('SIGKILL');
      expect(await cluster.ended('b')).toMatchObject({ end: 'ready', bytes: keys.length * PAGE_BYTES });
      expect(await cluster.ended('a')).toMatchObject({ end: 'failed', reason: { code: 'sender_lost' } });
      expect((await cluster.client.status('decode-0')).counters).toMatchObject({ chunks_handed_over: keys.length });
      expect(await wrongPages(cluster, 'b', epoch)).toEqual([]);
    });

    test
      .skipIf(providerMissing('same-host') !== undefined || providerMissing('tcp') !== undefined)
      .each(['same-host', 'tcp'] as const)(
      "over %s: a zombie writes late → it is rejected, the pages have its heir's bytes",
      async (provider) => {
        const { cluster } = await start(provider);
        await using _ = cluster;
        await cluster.client.fault('prefill-0', { fault: 'zombie-writer', forMs: LONG_MS });
        const { epoch } = await joined(cluster);
        expect(await cluster.ended('b')).toMatchObject({ end: 'ready', bytes: keys.length * PAGE_BYTES });
        expect(await cluster.ended('a')).toMatchObject({ end: 'failed', reason: { code: 'sender_lost' } });
        // The requests have ended, so the fault may end early. The agent then posts the held write and reconnects.
        await cluster.client.fault('prefill-0', { fault: 'heal' });
        const { counters } = await cluster.statusWhen('prefill-0', (status) => 'writes_rejected' in status.counters);
        expect(counters).toMatchObject({ writes_rejected: 1 });
        expect(await wrongPages(cluster, 'b', epoch)).toEqual([]);
        expect(cluster.terminals.filter(({ request }) => request === 'a')).toHaveLength(1);
      },
    );

    test('an agent is stopped, and goes on by itself', async () => {
      const { cluster, writer } = await start();
      await using _ = cluster;
      const pid = Number(/"pid":(\d+)/.exec(writer.log.join('\n'))?.[1]);
      await cluster.client.fault('prefill-0', { fault: 'stop', forMs: HEARTBEAT_MS });
      await cluster.statusWhen('decode-0', () => processState(pid) === 'T');
      await cluster.put('prefill-0', 'r', keys);
      expect(processState(pid)).not.toBe('T');
      expect(await cluster.ended('r')).toMatchObject({ end: 'ready' });
    });

    test('an agent that is cut off is healed by the command line', async () => {
      const { cluster } = await start();
      await using _ = cluster;
      const fault = async (...args: string[]) => {
        const terminal = new RecordedTerminal({ KVFERRY_NATS_URL: cluster.url });
        await runProgram(['fault', 'prefill-0', ...args], terminal);
        return { exitCode: terminal.exitCode, out: terminal.stdout, err: terminal.stderr };
      };
      const who = `prefill-0 (epoch ${cluster.epochOf('prefill-0')})`;
      expect(await fault('partition', '--for', '30s')).toEqual({
        exitCode: 0,
        out: [`${who}: partition for 30s`],
        err: [],
      });
      await expect(cluster.client.status('prefill-0', {}, { timeoutMs: HEARTBEAT_MS })).rejects.toMatchObject({
        code: 'deadline_exceeded',
      });
      expect(await fault('heal')).toEqual({ exitCode: 0, out: [`${who}: heal`], err: [] });
      await cluster.put('prefill-0', 'r', keys);
      expect(await cluster.ended('r')).toMatchObject({ end: 'ready' });
    });

    test('faults are not allowed → the order is refused; describe shows who allows them', async () => {
      const { cluster } = await start();
      await using _ = cluster;
      await expect(cluster.client.fault('prefill-1', { fault: 'kill' })).rejects.toMatchObject({
        code: 'faults_not_allowed',
      });
      expect(await cluster.client.describe('prefill-1')).not.toHaveProperty('faultsAllowed');
      expect(await cluster.client.describe('prefill-0')).toMatchObject({ faultsAllowed: true });
    });
  },
);
