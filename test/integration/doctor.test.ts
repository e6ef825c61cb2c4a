import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DoctorWorld, doctorCommand } from '../../src/cli/doctor.js';
import { nativeStatus } from '../../src/native/native-status.js';
import type { Finding } from '../../src/observe/doctor/finding.js';
import { localSystem } from '../../src/observe/doctor/local-system.js';
import { KvferryError } from '../../src/protocol/errors.js';
import { RecordedTerminal } from '../support/recorded-terminal.js';
import { missing, providerMissing, RealCluster } from './support.js';

const SHARED_MEMORY = '/dev/shm';
/** Directory in which a probe creates its file. */
let directory: string;

/** Runs the command in this process, with the real fabric and the real machine. */
async function doctor(cluster: RealCluster, args: readonly string[], signal = new AbortController().signal) {
  const terminal = new RecordedTerminal({ KVFERRY_NATS_URL: cluster.url });
  const world: DoctorWorld = {
    system: localSystem,
    fabric: async (bindAddress) => ({
      ...nativeStatus(bindAddress),
      offers: [],
      cuda: { devices: [], reason: 'none' },
    }),
    interrupts: () => ({ signal, dispose: () => undefined }),
  };
  await doctorCommand(terminal, world).parseAsync(['--json', '--arena-directory', directory, ...args], {
    from: 'user',
  });
  const findings = JSON.parse(terminal.stdout.join('\n')) as Finding[];
  return {
    findings,
    exitCode: terminal.exitCode,
    of: (check: string) => findings.filter((each) => each.check === check),
  };
}

/** Expects that a probe has left nothing behind: no file, no segment, no page, no request in progress. */
async function expectNothingLeft(cluster: RealCluster): Promise<void> {
  expect(readdirSync(directory)).toEqual([]);
  const prefill = await cluster.client.status('prefill-0');
  expect(prefill.segments).toEqual([]);
  expect(prefill.requests).toEqual([]);
  const decode = await cluster.statusWhen('decode-0', ({ pages }) => pages?.free === pages?.total);
  expect(decode.requests).toEqual([]);
}

describe.skipIf(missing !== undefined || !existsSync(SHARED_MEMORY))(`kvferry doctor ${missing ?? ''}`, () => {
  beforeAll(() => {
    directory = mkdtempSync(join(SHARED_MEMORY, 'kvferry-test-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  describe.each(['same-host', 'tcp'] as const)('over %s', (provider) => {
    test.skipIf(providerMissing(provider) !== undefined)(
      'probes a pair of agents, checks the bytes, and leaves nothing behind',
      async () => {
        await using cluster = await RealCluster.start();
        await Promise.all([
          cluster.agent('decode-0', 'decode', provider),
          cluster.agent('prefill-0', 'prefill', provider),
        ]);
        const { of } = await doctor(cluster, ['--probe', '--provider', provider]);
        expect(of('agent-states').map(({ severity, finding }) => [severity, finding])).toEqual([
          ['ok', 'decode-0 (decode) is running'],
          ['ok', 'prefill-0 (prefill) is running'],
        ]);
        expect(of('peers').map(({ severity }) => severity)).toEqual(['ok']);
        // The doctor cannot judge the transfer rate with only 16 pages of 64 KiB.
        expect(of('probe').map(({ severity }) => severity)).toEqual(['note']);
        expect(of('probe')[0]?.finding).toMatch(
          new RegExp(
            `^prefill-0 → decode-0: [\\d.]+ GB/s over ${provider} \\(.+\\), every byte as sent; 128 KiB a round, one page alone takes .+; expected about .+ Rounds of less than 16 MiB are not judged$`,
          ),
        );
        await expectNothingLeft(cluster);
      },
    );
  });

  test.skipIf(providerMissing('tcp') !== undefined || nativeStatus().providers.includes('verbs'))(
    'is loud about a fallback, and says why',
    async () => {
      await using cluster = await RealCluster.start();
      await Promise.all([
        cluster.agent('decode-0', 'decode', 'tcp'),
        cluster.agent('prefill-0', 'prefill', 'tcp', { args: ['--provider', 'verbs,tcp'] }),
      ]);
      const { of } = await doctor(cluster, ['--probe', '--provider', 'verbs,tcp']);
      const [fallback] = of('peers');
      expect(fallback).toMatchObject({ severity: 'warning' });
      expect(fallback?.finding).toMatch(/^prefill-0 → decode-0: tcp \(TCP, in clear\) is a FALLBACK; verbs: /);
      expect(of('agent-providers').map(({ finding }) => finding)).toEqual([
        expect.stringMatching(/^prefill-0 cannot offer verbs: libfabric /),
      ]);
      expect(of('providers').map(({ severity }) => severity)).toEqual(['ok', 'warning']);
    },
  );

  test('takes everything back when it is interrupted in the middle of a transfer', async () => {
    await using cluster = await RealCluster.start();
    await Promise.all([
      cluster.agent('decode-0', 'decode'),
      cluster.agent('prefill-0', 'prefill', 'same-host', { failpoints: 'allocate.sending=delay:3000' }),
    ]);
    const interrupt = new AbortController();
    const run = doctor(cluster, ['--probe'], interrupt.signal);
    const ended = expect(run).rejects.toMatchObject({ code: 'cancelled_by_caller', message: 'enough' });
    await cluster.statusWhen('prefill-0', ({ requests }) => requests.length > 0);
    interrupt.abort(new KvferryError('cancelled_by_caller', 'enough'));
    await ended;
    await cluster.statusWhen('prefill-0', ({ requests }) => requests.length === 0);
    await expectNothingLeft(cluster);
  });

  test('says why a probe has failed, and takes everything back', async () => {
    await using cluster = await RealCluster.start();
    await Promise.all([
      cluster.agent('decode-0', 'decode'),
      cluster.agent('prefill-0', 'prefill', 'same-host', { failpoints: 'write.starting=fail' }),
    ]);
    const { of, exitCode } = await doctor(cluster, ['--probe']);
    expect(of('probe').map(({ severity }) => severity)).toEqual(['problem']);
    expect(of('probe')[0]?.finding).toMatch(/^prefill-0 → decode-0: the probe failed: /);
    expect(exitCode).toBe(1);
    await expectNothingLeft(cluster);
  });

  test('probes only the agents that were chosen', async () => {
    await using cluster = await RealCluster.start();
    await Promise.all([cluster.agent('decode-0', 'decode'), cluster.agent('prefill-0', 'prefill')]);
    const { of } = await doctor(cluster, ['--probe', '--from', 'prefill-9']);
    expect(of('probe').map(({ severity, finding }) => [severity, finding])).toEqual([
      ['problem', 'no running pair prefill-9 → any decode agent'],
    ]);
  });
});
