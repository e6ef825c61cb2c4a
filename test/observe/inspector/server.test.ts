import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { ActorView, ChartView } from '../../../src/observe/inspector/feed.js';
import { startInspector } from '../../../src/observe/inspector/server/inspector-server.js';
import { KvferryError } from '../../../src/protocol/errors.js';
import { ask, cluster, entry, FixedSource, get, SENDER_EPOCH, start } from './support.js';

const row: ActorView = {
  agent: 'p',
  agentEpoch: SENDER_EPOCH,
  machine: 'request',
  actor: 'request 1',
  request: 'r1',
  state: 'settled',
  ...{ paths: ['request.settled'], ageMs: 1, inStateMs: 1, context: {} },
};

describe('the API', () => {
  test('draws every machine, and says how the drawings look', async () => {
    const inspector = await start(new FixedSource());
    const charts = (await get(inspector, '/api/charts')) as ChartView[];
    expect(charts.map(({ machine }) => machine)).toEqual([
      ...['agent', 'line', 'peer', 'connection', 'request', 'transfer', 'ingest', 'group', 'rank', 'page'],
    ]);
    const transfer = charts.find(({ machine }) => machine === 'transfer')?.svg ?? '';
    expect(transfer).toMatch(/^<svg [^>]*class="machine-drawing"/);
    expect(transfer).toContain('data-state="transfer.writing"');
    expect(transfer).toContain('data-source="transfer.writing" data-target="transfer.committing"');
    // A page may not have styles in it, and has several drawings.
    expect(transfer).not.toContain('<style');
    const ids = charts.flatMap(({ svg }) => [...svg.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id));
    expect(new Set(ids).size).toBe(ids.length);
    const style = await ask(inspector, '/drawing.css');
    expect(style.headers['content-type']).toContain('text/css');
    expect(style.text).toContain('.machine-drawing {');
    expect(style.text).toContain('--paper: light-dark(#ffffff, #0d1117);');
  });

  test('shows the cluster as it is and as it was', async () => {
    const source = new FixedSource();
    const inspector = await start(source);
    expect((await ask(inspector, '/api/cluster')).status).toBe(404);
    for (const timeMs of [1000, 2000, 3000]) source.history.addCluster(cluster(timeMs));
    expect(await get(inspector, '/api/cluster')).toEqual(cluster(3000));
    expect(await get(inspector, '/api/cluster?atMs=2500')).toEqual(cluster(2000));
    expect(await get(inspector, '/api/cluster?atMs=1')).toEqual({
      error: { code: 'invalid_field', message: 'that time is not in the history', field: 'atMs' },
    });
  });

  test('lists requests and shows one, whatever is in its name', async () => {
    const source = new FixedSource();
    const inspector = await start(source);
    const odd = `a/b?c=%d${'x'.repeat(120)}`;
    source.history.addEntries([
      entry(1, 'r1', 'running.open'),
      entry(2, odd, 'running.open'),
      entry(3, odd, 'settled'),
    ]);
    expect(await get(inspector, '/api/requests')).toMatchObject([{ request: odd }, { request: 'r1' }]);
    expect(await get(inspector, '/api/requests?state=settled&limit=1')).toMatchObject([{ request: odd }]);
    expect(await get(inspector, '/api/requests?atMs=1')).toMatchObject([{ request: 'r1' }]);
    const path = `/api/requests/${SENDER_EPOCH}/${encodeURIComponent(odd)}`;
    expect(await get(inspector, path)).toEqual({
      request: expect.objectContaining({ request: odd, states: { sender: 'settled' } }),
      entries: [entry(2, odd, 'running.open'), entry(3, odd, 'settled')],
    });
    expect(await get(inspector, `${path}?atMs=2`)).toMatchObject({
      request: { states: { sender: 'running.open' } },
      entries: [{ timeMs: 2 }],
    });
    const unknown = await ask(inspector, `/api/requests/${SENDER_EPOCH}/r9`);
    expect([unknown.status, JSON.parse(unknown.text)]).toEqual([
      404,
      { error: { code: 'unknown_request', message: 'request r9 is not in the history' } },
    ]);
  });

  test('lists actors, entries and explanations that match', async () => {
    const source = new FixedSource();
    source.rows.push(row, { ...row, actor: 'request 2', request: 'r2' });
    source.history.addEntries([entry(1, 'r1', 'running.open'), entry(2, 'r2', 'running.open')]);
    const inspector = await start(source);
    expect(await get(inspector, '/api/actors?request=r2&machine=request')).toEqual([source.rows[1]]);
    expect(await get(inspector, '/api/actors?actor=request%201&atMs=7')).toEqual([row]);
    expect(await get(inspector, '/api/entries?request=r2')).toEqual([entry(2, 'r2', 'running.open')]);
    expect(await get(inspector, '/api/entries?toMs=1')).toEqual([entry(1, 'r1', 'running.open')]);
    expect(await get(inspector, '/api/explain?about=key&name=k')).toEqual([]);
    expect(source.asked).toEqual([
      [{ request: 'r2', machine: 'request' }, undefined],
      [{ actor: 'request 1' }, 7],
      [{ about: 'key', name: 'k' }, undefined],
    ]);
  });

  test('looks only as long as it takes to answer', async () => {
    const source = new FixedSource();
    const inspector = await start(source);
    await get(inspector, '/api/requests');
    expect(source.watchers).toBe(0);
  });

  test.each([
    ['/api/requests?limit=0', 'limit'],
    ['/api/requests?limit=many', 'limit'],
    ['/api/requests?unknown=1', ''],
    ['/api/entries?fromMs=soon', 'fromMs'],
    ['/api/actors?machine=page', 'machine'],
    ['/api/explain?about=request', 'name'],
  ])('the API refuses %s', async (path, field) => {
    const { status, text } = await ask(await start(new FixedSource()), path);
    expect([status, JSON.parse(text)]).toMatchObject([400, { error: { code: 'invalid_field', field } }]);
  });

  test('says that there is no such address', async () => {
    const { status, text } = await ask(await start(new FixedSource()), '/api/nothing');
    expect([status, JSON.parse(text).error.code]).toEqual([404, 'unknown_operation']);
  });
});

describe('faults', () => {
  const order = (body: object, headers: Record<string, string> = {}) => ({
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });

  test('are refused unless they are allowed', async () => {
    const { status, text } = await ask(
      await start(new FixedSource()),
      '/api/faults',
      order({ agent: 'p', fault: 'kill' }),
    );
    expect([status, JSON.parse(text).error.message]).toEqual([
      403,
      'faults are not allowed: start the inspector with --allow-faults',
    ]);
  });

  test('are passed to the agent, and what it says against it is passed back', async () => {
    const source = new FixedSource();
    const made: unknown[] = [];
    source.fault = async (order) => {
      if (order.agent === 'd') throw new KvferryError('no_responders', 'there is no d');
      made.push(order);
      return { agent: order.agent, epoch: SENDER_EPOCH, forMs: 5000 };
    };
    const inspector = await start(source);
    expect(await ask(inspector, '/api/faults', order({ agent: 'p', fault: 'stop' }))).toMatchObject({
      status: 200,
      text: JSON.stringify({ agent: 'p', epoch: SENDER_EPOCH, forMs: 5000 }),
    });
    expect(await ask(inspector, '/api/faults', order({ agent: 'd', fault: 'stop' }))).toMatchObject({ status: 404 });
    expect(await ask(inspector, '/api/faults', order({ agent: 'p', fault: 'burn' }))).toMatchObject({ status: 400 });
    expect(made).toEqual([{ agent: 'p', fault: 'stop' }]);
  });

  test('that a page from elsewhere orders do not happen', async () => {
    const source = new FixedSource();
    let made = 0;
    source.fault = async () => {
      made += 1;
      return { agent: 'p', epoch: SENDER_EPOCH };
    };
    const inspector = await start(source);
    const { host } = new URL(inspector.url);
    const statuses: number[] = [];
    for (const headers of [
      { origin: 'https://elsewhere.example' },
      { origin: 'null' },
      { origin: 'http://localhost:1' },
      // What a form can send without asking first.
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/x-www-form-urlencoded' },
    ]) {
      statuses.push((await ask(inspector, '/api/faults', order({ agent: 'p', fault: 'stop' }, headers))).status);
    }
    expect([statuses, made]).toEqual([[403, 403, 403, 415, 415], 0]);
    await ask(inspector, '/api/faults', order({ agent: 'p', fault: 'stop' }, { origin: `http://${host}` }));
    expect(made).toBe(1);
  });
});

describe('who may ask', () => {
  test('a Host that is no address or name of this machine is refused (DNS rebinding)', async () => {
    const inspector = await start(new FixedSource());
    const { port } = new URL(inspector.url);
    const status = async (host: string) => (await ask(inspector, '/api/requests', { headers: { host } })).status;
    expect(await status(`127.0.0.1:${port}`)).toBe(200);
    expect(await status(`localhost:${port}`)).toBe(200);
    expect(await status(`[::1]:${port}`)).toBe(200);
    expect(await status(`${hostname()}:${port}`)).toBe(200);
    expect(await status(`elsewhere.example:${port}`)).toBe(403);
    expect(await status('127.0.0.1.elsewhere.example')).toBe(403);
  });

  test("a page may load and run only what comes from here, and be in no other's frame", async () => {
    const inspector = await start(new FixedSource());
    const { headers } = await ask(inspector, '/');
    const hash = createHash('sha256').update('{"imports":{}}').digest('base64');
    expect(headers).toMatchObject({
      'content-security-policy': [
        ...["default-src 'none'", `script-src 'self' 'sha256-${hash}'`, "style-src 'self'", "img-src 'self' data:"],
        ...["connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
      ].join('; '),
      'x-content-type-options': 'nosniff',
    });
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });
});

describe('the page', () => {
  test('is served with its scripts and with Preact', async () => {
    const inspector = await start(new FixedSource());
    for (const [path, type] of [
      ['/', 'text/html'],
      ['/main.js', 'javascript'],
      ['/vendor/preact/dist/preact.mjs', 'javascript'],
      ['/vendor/preact/hooks/dist/hooks.mjs', 'javascript'],
    ] as const) {
      const { status, headers } = await ask(inspector, path);
      expect([path, status, headers['content-type']]).toEqual([path, 200, expect.stringContaining(type)]);
    }
  });

  test('nothing else is', async () => {
    const inspector = await start(new FixedSource());
    for (const path of [
      '/vendor/preact/package.json',
      '/vendor/preact/',
      '/../package.json',
      '/%2e%2e/feed.ts',
      '/.git',
    ]) {
      expect([path, (await ask(inspector, path)).status]).toEqual([path, 404]);
    }
  });
});

test('an address where it cannot listen is refused', async () => {
  const inspector = await start(new FixedSource());
  const source = new FixedSource();
  const again = startInspector({ source, host: '127.0.0.1', port: Number(new URL(inspector.url).port) });
  await expect(again).rejects.toMatchObject({ code: 'invalid_configuration', field: 'listen' });
});

test('closing it closes its source', async () => {
  const source = new FixedSource();
  const inspector = await startInspector({ source, host: '127.0.0.1', port: 0 });
  await inspector.close();
  expect(source.isClosed).toBe(true);
  await expect(ask(inspector, '/')).rejects.toThrow('ECONNREFUSED');
});
