import { describe, expect, test } from 'vitest';
import { runProgram } from '../../src/cli/program.js';
import { RecordedTerminal } from '../support/recorded-terminal.js';
import { missing, RealCluster } from './support.js';

const keys = ['k0', 'k1', 'k2', 'k3'];

async function top(url: string, ...args: string[]) {
  const terminal = new RecordedTerminal({ KVFERRY_NATS_URL: url });
  await runProgram(['top', '--interval', '500ms', ...args], terminal);
  return terminal;
}

describe.skipIf(missing !== undefined)(`kvferry top ${missing ?? ''}`, () => {
  test('--once prints one frame: agents, and a request with what it waits for', async () => {
    await using cluster = await RealCluster.start();
    await Promise.all([cluster.agent('decode-0', 'decode'), cluster.agent('prefill-0', 'prefill')]);
    await cluster.segment('prefill-0', keys);
    // The request stays in progress, because its last batch does not come.
    await cluster.put('prefill-0', 'r1', keys, { last: false, totalChunks: 8 });
    await cluster.statusWhen('decode-0', ({ pages }) => pages?.ready === keys.length);
    const { stdout, stderr, exitCode } = await top(cluster.url, '--once');
    expect({ stderr, exitCode }).toEqual({ stderr: [], exitCode: 0 });
    const rows = stdout.map((line) => line.trim().split(/ {2,}/));
    expect(rows.slice(0, 3)).toEqual([
      ['kvferry top', cluster.url, 'every 0.5 s'],
      ['2 agents', '1 requests (2 rows)', '0.00 GB/s', 'ends/s: 0 ready, 0 failed, 0 cancelled, 0 expired'],
      [''],
    ]);
    expect(rows[4]).toEqual('decode-0 decode running same-host - 0 0 [rrrr............] 12/16 0 - 0'.split(' '));
    expect(rows[5]).toEqual('prefill-0 prefill running same-host 0 - 0 - - - - 0'.split(' '));
    expect(rows.slice(7).map((row) => [row[0], ...row.slice(2, 6)])).toEqual([
      ['REQUEST', 'AGENT', 'SIDE', 'STATE', 'CHUNKS'],
      ['r1', 'prefill-0', 'sender', 'running.open', '4'],
      ['r1', 'decode-0', 'receiver', 'running.receiving', '4'],
    ]);
    // The machine of a request reports what the request waits for.
    expect(rows.slice(8).map((row) => row[6]?.split(':')[0])).toEqual(['engine', 'sender']);
    await cluster.client.cancel('prefill-0', { request: 'r1' });
    await cluster.ended('r1');
  });

  test('--json prints what was measured as one line', async () => {
    await using cluster = await RealCluster.start();
    await Promise.all([cluster.agent('decode-0', 'decode'), cluster.agent('prefill-0', 'prefill')]);
    await cluster.segment('prefill-0', keys);
    const put = await cluster.put('prefill-0', 'r1', keys);
    await cluster.ended('r1');
    const { stdout } = await top(cluster.url, '--once', '--json');
    expect(stdout).toHaveLength(1);
    const measured = JSON.parse(stdout[0] ?? '');
    expect(measured).toMatchObject({
      isConnected: true,
      totals: { agents: 2, silent: 0 },
      agents: [
        { agent: 'decode-0', role: 'decode', pages: { total: 16, ready: 4 }, receivedChunksPerS: 0 },
        { agent: 'prefill-0', role: 'prefill', providers: ['same-host'], writtenBytesPerS: 0 },
      ],
    });
    expect(new Date(measured.time).toISOString()).toBe(measured.time);
    await cluster.client.release('decode-0', { request: 'r1', epoch: put.epoch });
  });
});
