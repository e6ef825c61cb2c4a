import { describe, expect, onTestFinished, test } from 'vitest';
import { type Health, type MetricsServer, startMetricsServer } from '../../../src/observe/metrics/metrics-server.js';

const anyPort = { host: '127.0.0.1', port: 0 };
const well: Health = { agent: 'decode-0', state: 'running', nats: 'connected' };

async function started(health: Health = well, render = async () => 'up 1\n'): Promise<MetricsServer> {
  const contentType = 'text/plain; version=0.0.4; charset=utf-8';
  const server = await startMetricsServer(anyPort, { contentType, render, health: () => health });
  onTestFinished(() => server.close());
  return server;
}

async function get(server: MetricsServer, path: string) {
  const response = await fetch(`${server.url}${path}`);
  return { status: response.status, type: response.headers.get('content-type'), body: await response.text() };
}

describe('the server of metrics', () => {
  test('answers a scrape', async () => {
    expect(await get(await started(), '/metrics')).toEqual({
      status: 200,
      type: 'text/plain; version=0.0.4; charset=utf-8',
      body: 'up 1\n',
    });
  });

  test('says that a scrape has failed, and goes on', async () => {
    const outcomes = [() => Promise.reject(new Error('a bug')), async () => 'up 1\n'];
    const server = await started(well, () => (outcomes.shift() as () => Promise<string>)());
    expect((await get(server, '/metrics')).status).toBe(500);
    expect((await get(server, '/metrics')).status).toBe(200);
  });

  test.each<[Health['state'], Health['nats'], number, number]>([
    ['starting', 'disconnected', 200, 503],
    ['running', 'connected', 200, 200],
    ['running', 'disconnected', 200, 503],
    ['draining', 'connected', 200, 503],
    ['fencing', 'connected', 503, 503],
    ['stopped', 'disconnected', 503, 503],
  ])('of an agent that is %s, and %s: alive %d, ready %d', async (state, nats, alive, ready) => {
    const health = { agent: 'decode-0', state, nats };
    const server = await started(health);
    const type = 'application/json; charset=utf-8';
    const body = JSON.stringify(health);
    expect(await get(server, '/healthz')).toEqual({ status: alive, type, body });
    expect(await get(server, '/readyz')).toEqual({ status: ready, type, body });
  });

  test('an agent whose name another process has too → alive, not ready', async () => {
    const server = await started({ ...well, twin: true });
    const type = 'application/json; charset=utf-8';
    const body = '{"agent":"decode-0","state":"running","nats":"connected","twin":true}';
    expect(await get(server, '/healthz')).toEqual({ status: 200, type, body });
    expect(await get(server, '/readyz')).toEqual({ status: 503, type, body });
  });

  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '127.0.0.1'],
  ])('listens at %s → says so, and that it is reached at %s', async (host, reached) => {
    const source = { contentType: 'text/plain', render: async () => '', health: () => well };
    const server = await startMetricsServer({ host, port: 0 }, source);
    onTestFinished(() => server.close());
    const { port } = new URL(server.url);
    expect(server).toMatchObject({ url: `http://${reached}:${port}`, bound: `${host}:${port}` });
  });

  test('knows nothing else', async () => {
    expect((await get(await started(), '/')).status).toBe(404);
  });

  test('an address that is taken is an error of the configuration, which names it', async () => {
    const { url } = await started();
    const { port } = new URL(url);
    const again = startMetricsServer(
      { host: '127.0.0.1', port: Number(port) },
      {
        contentType: 'text/plain',
        render: async () => '',
        health: () => well,
      },
    );
    await expect(again).rejects.toMatchObject({
      code: 'invalid_configuration',
      field: 'metricsAddress',
      message: expect.stringContaining(`cannot serve metrics at 127.0.0.1:${port}: `),
    });
  });

  test('closes at once, also with a scraper that keeps its connection, and twice', async () => {
    const server = await started();
    await get(server, '/metrics');
    await server.close();
    await server.close();
    await expect(fetch(`${server.url}/metrics`)).rejects.toThrow('fetch failed');
  });
});
