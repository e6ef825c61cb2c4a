/** The inspector in all its forms: as a command beside real agents, inside an agent, and with the demo. */
import { describe, expect, test } from 'vitest';
import type { ClusterView, RequestView } from '../../src/observe/inspector/feed.js';
import { poll } from '../../src/processes/within.js';
import { Program } from '../support/program.js';
import { missing, RealCluster } from './support.js';

const START_TIMEOUT_MS = 60_000;
/** Longest time until data reaches the page. */
const SHOWN_TIMEOUT_MS = 30_000;
const keys = ['k0', 'k1', 'k2', 'k3'];

async function get<T>(url: string, path: string): Promise<T> {
  return (await (await fetch(new URL(path, url))).json()) as T;
}

describe.skipIf(missing !== undefined)(`inspector${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  test('kvferry inspect shows what happens between real agents, and makes faults happen', async () => {
    await using cluster = await RealCluster.start();
    const [, prefill] = await Promise.all([
      cluster.agent('decode-0', 'decode'),
      cluster.agent('prefill-0', 'prefill', 'same-host', { args: ['--allow-faults'] }),
    ]);
    await cluster.segment('prefill-0', keys);
    const program = new Program('inspect', '--nats', cluster.url, '--listen', '0', '--allow-faults');
    const url = await program.said(/^inspector: (.+)$/);
    const { epoch } = await cluster.put('prefill-0', 'r1', keys);
    await cluster.ended('r1');
    const shown = await poll(SHOWN_TIMEOUT_MS, async () => {
      const [request] = await get<RequestView[]>(url, '/api/requests?state=ready');
      return request?.states.sender === undefined ? request : undefined;
    });
    expect(shown).toMatchObject({ request: 'r1', epoch, sender: 'prefill-0', receiver: 'decode-0', chunks: 4 });
    const { agents } = await get<ClusterView>(url, '/api/cluster');
    expect(agents.map(({ agent, pages }) => [agent, pages])).toEqual([
      ['decode-0', 'r4f12'],
      ['prefill-0', undefined],
    ]);
    const body = JSON.stringify({ agent: 'prefill-0', fault: 'kill' });
    const headers = { 'content-type': 'application/json' };
    const killed = await fetch(new URL('/api/faults', url), { method: 'POST', body, headers });
    expect([killed.status, await prefill.ended]).toEqual([200, 'SIGKILL']);
    expect(await program.end('SIGINT')).toBe(0);
  });

  test('an agent serves it on request, and goes on when the address is taken', async () => {
    await using cluster = await RealCluster.start();
    const args = ['--inspect-address', '0'];
    const agent = await cluster.agent('decode-0', 'decode', 'same-host', { args });
    await agent.logged('inspector listening');
    const url = /"url":"([^"]+)"/.exec(agent.log.find((line) => line.includes('inspector listening')) ?? '')?.[1] ?? '';
    const { source, agents } = await get<ClusterView>(url, '/api/cluster');
    expect([source.faultsAllowed, agents.map(({ agent: name }) => name)]).toEqual([false, ['decode-0']]);
    const other = await cluster.agent('decode-1', 'decode', 'same-host', {
      args: ['--inspect-address', new URL(url).host],
    });
    await other.logged('inspector not started');
    expect(await other.end('SIGTERM')).toBe(0);
    expect(await agent.end('SIGTERM')).toBe(0);
  });

  test('the demo serves it, goes on after its report, and ends well', async () => {
    const size = ['--requests', '4', '--page-bytes', '64KiB', '--quiet-bytes', '2MiB'];
    const program = new Program('demo', '--inspect', ...size);
    const url = await program.said(/^Inspector: (.+)$/);
    await program.said(/^The inspector and a light load keep running/);
    const moved = await poll(START_TIMEOUT_MS, async () => {
      const requests = await get<RequestView[]>(url, '/api/requests?state=ready&text=go-on');
      return requests.length > 0 ? requests : undefined;
    });
    expect(moved?.[0]).toMatchObject({ end: 'ready' });
    expect(await program.end('SIGINT')).toBe(0);
  });
});
