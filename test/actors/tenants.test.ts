/** P32: two teams use the same agents. Each sees, uses and ends only what is its own, and learns nothing about the other. */
import { describe, expect, test } from 'vitest';
import type { AgentOptions } from '../../src/actors/env/agent-options.js';
import type { OperationInput } from '../../src/client/kvferry-client.js';
import { CHUNKS_IN_PROGRESS_MAX, CHUNKS_PER_REQUEST_MAX } from '../../src/protocol/limits.js';
import type { Operation } from '../../src/protocol/subjects.js';
import { type Cluster, PAGE_BYTES, patternOf, useCluster } from './support.js';

const clusters = useCluster();
const SESSION = '00000000000000a1';

/** Agents that serve `team-a` and `team-b`. Each team has a segment of the same name, with other bytes for the same keys. */
async function cluster(options: Partial<AgentOptions> = {}): Promise<Cluster> {
  const made = clusters.create();
  await made.agent('decode-0', 'decode', options);
  await made.agent('prefill-0', 'prefill', options);
  for (const tenant of ['team-a', 'team-b']) await attach(made, tenant, 'engine');
  return made;
}

async function attach(made: Cluster, tenant: string, segment: string): Promise<void> {
  const path = `/memory/${tenant}-${segment}`;
  made.fabrics.files.set(path, new Uint8Array(['k0', 'k1', 'k2'].flatMap((key) => [...patternOf(`${tenant} ${key}`)])));
  await made.call('prefill-0', 'attach', { segment, path }, tenant);
}

function put(made: Cluster, tenant: string, request: string, keys: readonly string[], segment = 'engine') {
  const run = { segment, offset: 0, length: PAGE_BYTES, count: keys.length };
  const body = { request, receiver: 'decode-0', batch: 0, last: true, totalChunks: keys.length, timeoutMs: 30_000 };
  return made.call('prefill-0', 'put', { ...body, keys: [...keys], source: [run] }, tenant);
}

/** The code of a refusal, or the answer. */
async function outcome<O extends Operation>(
  made: Cluster,
  tenant: string,
  agent: string,
  operation: O,
  body: OperationInput<O>,
): Promise<unknown> {
  try {
    return await made.call(agent, operation, body as never, tenant);
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

/** A request whose receiver is named later, of as many chunks as a request may have. */
function offer(request: string): OperationInput<'put'> {
  return {
    request,
    batch: 0,
    last: false,
    totalChunks: CHUNKS_PER_REQUEST_MAX,
    timeoutMs: 30_000,
    keys: ['k0'],
    source: [{ segment: 'engine', offset: 0, length: PAGE_BYTES }],
  };
}

/** All chunks that an agent takes, in sixteen offers. Resolves with the codes of refusals. */
async function offers(made: Cluster, round: number): Promise<unknown[]> {
  const codes: unknown[] = [];
  for (let index = 0; index < CHUNKS_IN_PROGRESS_MAX / CHUNKS_PER_REQUEST_MAX; index += 1) {
    const answer = await outcome(made, 'team-a', 'prefill-0', 'put', offer(`${round}-${index}`));
    codes.push(typeof answer === 'string' ? answer : undefined);
  }
  return codes;
}

/** Terminal events, with the tenant of their subject. */
function endsOf(made: Cluster): string[] {
  const ends: string[] = [];
  made.client.subscribe('kvferry.v2.event.>', ({ subject, body }) => {
    ends.push(`${subject.split('.')[4]} ${JSON.parse(body).request} ${JSON.parse(body).end}`);
  });
  return ends;
}

describe('P32: requests', () => {
  test('P32: two tenants use the same id and keys → two requests, each with its bytes', async () => {
    const made = await cluster();
    const ends = endsOf(made);
    for (const tenant of ['team-a', 'team-b']) {
      const { epoch } = await put(made, tenant, 'r1', ['k0', 'k1']);
      await made.clock.until(() => ends.includes(`${tenant} r1 ready`));
      const acquired = await made.call('decode-0', 'acquire', { request: 'r1', epoch }, tenant);
      expect(acquired.keys).toEqual(['k0', 'k1']);
      expect([...made.pages(acquired).values()]).toEqual([patternOf(`${tenant} k0`), patternOf(`${tenant} k1`)]);
    }
    expect(ends).toEqual(['team-a r1 ready', 'team-b r1 ready']);
    expect((await made.status('decode-0')).counters).toMatchObject({ chunks_written: 4 });
    expect(made.released.map(({ request }) => request)).toEqual(['r1', 'r1']);
  });

  test('P32: what another tenant asks about a request → not known, and it is ready', async () => {
    const made = await cluster();
    const writes = made.fabrics.holdWrites();
    const { epoch } = await put(made, 'team-a', 'r1', ['k0']);
    await made.clock.until(() => writes.held > 0);
    const request = 'r1';
    const other = <O extends Operation>(agent: string, operation: O, body: OperationInput<O>) =>
      outcome(made, 'team-b', agent, operation, body);
    expect(await other('prefill-0', 'cancel', { request })).toBe('unknown_request');
    expect(await other('decode-0', 'cancel', { request })).toBe('unknown_request');
    expect(await other('prefill-0', 'route', { request, receiver: 'decode-0' })).toBe('unknown_request');
    expect(await other('prefill-0', 'sources', {})).toMatchObject({ batches: [] });
    for (const agent of ['prefill-0', 'decode-0']) {
      expect(await other(agent, 'status', {})).toMatchObject({
        requests: [],
        requestsTotal: 0,
        peers: [],
        counters: {},
      });
      expect(await other(agent, 'explain', { request })).toMatchObject({ explanations: [] });
      expect(await other(agent, 'explain', { transfer: `${epoch}/r1/0` })).toMatchObject({ explanations: [] });
      expect(await other(agent, 'inspect', { pages: true })).not.toHaveProperty('pages');
      expect(await other(agent, 'inspect', {})).toMatchObject({ actors: [], actorsTotal: 0 });
      // Only its own questions, which were refused.
      const { entries } = await made.call(agent, 'journal', { request }, 'team-b');
      expect(entries.filter((entry) => entry.kind !== 'message' || entry.code === undefined)).toEqual([]);
    }
    writes.release();
    await made.ended('r1');
    expect(await other('decode-0', 'acquire', { request, epoch })).toBe('unknown_request');
    expect(await other('decode-0', 'release', { request, epoch })).toBe('unknown_request');
    expect((await made.call('decode-0', 'release', { request, epoch }, 'team-a')).freedPages).toBe(1);
  });

  test('P32: its own tenant sees a request in each view, under its own name', async () => {
    const made = await cluster();
    const { epoch } = await put(made, 'team-a', 'r1', ['k0']);
    await made.ended('r1');
    const own = <O extends Operation>(operation: O, body: OperationInput<O>) =>
      made.call('decode-0', operation, body as never, 'team-a');
    const row = { request: 'r1', epoch };
    expect(await own('status', {})).toMatchObject({ requests: [row], requestsTotal: 1 });
    expect((await own('inspect', {})).actors).toMatchObject([row]);
    expect((await own('journal', {})).entries.every((entry) => entry.request === 'r1')).toBe(true);
    const { explanations } = await own('explain', { key: 'k0' });
    expect(explanations).toMatchObject([{ about: 'key', name: 'k0', state: 'ready', holders: [row] }]);
    const transfer = await made.call('prefill-0', 'explain', { transfer: `${epoch}/r1/0` }, 'team-a');
    expect(transfer.explanations).toMatchObject([{ about: 'transfer' }]);
    expect(await own('lookup', { keys: ['k0', 'k1'] })).toMatchObject({ held: 1 });
    // An operator sees whose it is.
    expect((await made.status('decode-0')).requests).toMatchObject([{ request: 'team-a r1', epoch }]);
    const { entries } = await made.call('decode-0', 'journal', { request: 'team-a r1' });
    expect(entries.flatMap((entry) => (entry.kind === 'store' ? entry.keys : []))).toContain('team-a k0');
  });
});

describe('P32: keys', () => {
  test('P32: another tenant has the key → not there, not looked up, written again', async () => {
    const made = await cluster();
    await put(made, 'team-a', 'a', ['k0']);
    await made.ended('a');
    expect(await made.call('decode-0', 'lookup', { keys: ['k0'] }, 'team-b')).toMatchObject({ held: 0, expected: 0 });
    const reader = { request: 'reader', epoch: '0'.repeat(16), keys: ['k0'] };
    expect(await made.call('decode-0', 'acquire', reader, 'team-b')).toMatchObject({ keys: [], missing: ['k0'] });
    await put(made, 'team-b', 'b', ['k0']);
    expect(await made.ended('b')).toMatchObject({ end: 'ready', deduplicated: 0, bytes: PAGE_BYTES });
  });

  test('P32: a tenant that shares the keys of another → one write, both read it', async () => {
    const made = await cluster({ tenantShares: { 'team-b': 'team-a' } });
    await put(made, 'team-a', 'a', ['k0']);
    await made.ended('a');
    const { epoch } = await put(made, 'team-b', 'b', ['k0']);
    expect(await made.ended('b')).toMatchObject({ end: 'ready', deduplicated: 1, bytes: 0 });
    const acquired = await made.call('decode-0', 'acquire', { request: 'b', epoch }, 'team-b');
    expect(made.pages(acquired)).toEqual(new Map([['k0', patternOf('team-a k0')]]));
    // The chunk is theirs together, and its holders are not.
    for (const [tenant, request] of [
      ['team-a', 'a'],
      ['team-b', 'b'],
    ] as const) {
      const { explanations } = await made.call('decode-0', 'explain', { key: 'k0' }, tenant);
      expect(explanations.map(({ holders }) => holders.map((row) => row.request))).toEqual([[request]]);
    }
  });

  test('P32: a page that another tenant had → not readable before its bytes are there', async () => {
    const made = await cluster({ arena: { directory: '/memory', pages: 1, pageBytes: PAGE_BYTES } });
    const a = await put(made, 'team-a', 'a', ['k0']);
    await made.ended('a');
    await made.call('decode-0', 'release', { request: 'a', epoch: a.epoch }, 'team-a');
    const writes = made.fabrics.holdWrites();
    const { epoch } = await put(made, 'team-b', 'b', ['k0']);
    await made.clock.until(() => writes.held > 0);
    expect(await outcome(made, 'team-b', 'decode-0', 'acquire', { request: 'b', epoch })).toBe('request_active');
    const reader = { request: 'reader', epoch: '0'.repeat(16), keys: ['k0'] };
    expect(await made.call('decode-0', 'acquire', reader, 'team-b')).toMatchObject({ pages: [], missing: ['k0'] });
    writes.release();
    await made.ended('b');
    const acquired = await made.call('decode-0', 'acquire', { request: 'b', epoch }, 'team-b');
    expect(made.pages(acquired)).toEqual(new Map([['k0', patternOf('team-b k0')]]));
  });
});

describe('P32: source memory', () => {
  test('P32: a segment of another tenant → not found, not detached', async () => {
    const made = await cluster();
    await attach(made, 'team-a', 'only-a');
    await expect(put(made, 'team-b', 'r1', ['k0'], 'only-a')).rejects.toMatchObject({ code: 'segment_not_found' });
    expect(await outcome(made, 'team-b', 'prefill-0', 'detach', { segment: 'only-a' })).toBe('segment_not_found');
    const { segments } = await made.call('prefill-0', 'status', {}, 'team-b');
    expect(segments.map(({ segment }) => segment)).toEqual(['engine']);
    await put(made, 'team-a', 'r1', ['k0'], 'only-a');
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
  });

  test('P32: a session of another tenant → not known, and it stays open', async () => {
    const made = await cluster();
    const session = { session: SESSION };
    await made.call('prefill-0', 'open', { ...session, holder: 'engine', silentMs: 5000 }, 'team-a');
    for (const operation of ['renew', 'end'] as const) {
      expect(await outcome(made, 'team-b', 'prefill-0', operation, session)).toBe('unknown_session');
    }
    expect(await made.call('prefill-0', 'renew', session, 'team-a')).toMatchObject({ order: 0 });
    expect((await made.call('prefill-0', 'status', {}, 'team-a')).sessions).toMatchObject([session]);
    expect(await made.call('prefill-0', 'status', {}, 'team-b')).toMatchObject({ sessions: [], sessionsTotal: 0 });
  });

  test('P32: staging pages that are lent to another tenant → neither put nor given back', async () => {
    const made = await cluster();
    const lent = await made.call('prefill-0', 'stage', { holder: 'engine', pages: 1 }, 'team-a');
    const { offsets, segment } = lent;
    const giveBack = { holder: 'engine', offsets };
    expect(await outcome(made, 'team-b', 'prefill-0', 'unstage', giveBack)).toBe('staging_not_lent');
    expect(await outcome(made, 'team-b', 'prefill-0', 'unstage', { holder: 'engine' })).toMatchObject({ returned: 0 });
    await expect(put(made, 'team-b', 'r1', ['k0'], segment)).rejects.toMatchObject({ code: 'staging_not_lent' });
    await put(made, 'team-a', 'r1', ['k0'], segment);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
  });

  test('P32: an error names the session as its tenant does', async () => {
    const made = await cluster();
    const open = { session: SESSION, holder: 'engine', silentMs: 5000 };
    await made.call('prefill-0', 'open', open, 'team-a');
    const mine = { segment: 'mine', path: '/memory/team-a-engine', session: SESSION, order: 0 };
    await made.call('prefill-0', 'attach', mine, 'team-a');
    const again = made.call('prefill-0', 'attach', { segment: 'mine', path: '/memory/team-a-engine' }, 'team-a');
    await expect(again).rejects.toMatchObject({ code: 'wrong_session', details: { session: SESSION } });
  });
});

describe('P32: who asks', () => {
  test.each([
    ['_hidden', 'put', 'prefill-0', 'invalid_field'],
    ['_all', 'put', 'prefill-0', 'invalid_field'],
    ['_all', 'acquire', 'decode-0', 'invalid_field'],
    ['x'.repeat(65), 'status', 'prefill-0', 'invalid_field'],
  ] as const)('P32: tenant %s sends %s to %s → %s', async (tenant, operation, agent, code) => {
    const made = await cluster();
    const bodies = {
      put: { request: 'r', batch: 0, last: true, totalChunks: 0, timeoutMs: 1000, keys: [], source: [] },
      acquire: { request: 'r', epoch: '0'.repeat(16) },
      status: {},
    };
    expect(await outcome(made, tenant, agent, operation, bodies[operation] as never)).toBe(code);
  });

  test('P32: the default tenant names a request of another one → invalid_field', async () => {
    const made = await cluster();
    await put(made, 'team-a', 'r1', ['k0']);
    await made.ended('r1');
    const request = 'team-a r1';
    expect(await outcome(made, 'default', 'decode-0', 'cancel', { request })).toBe('invalid_field');
    expect(await outcome(made, 'default', 'decode-0', 'explain', { request })).toBe('invalid_field');
    expect(await outcome(made, 'team-b', 'decode-0', 'explain', { page: 0 })).toBe('invalid_field');
  });
});

describe('P32: quotas', () => {
  test('P32: one request more than the tenant may have → quota_exceeded, others go on', async () => {
    const made = await cluster({ tenantRequestsMax: 1 });
    const writes = made.fabrics.holdWrites();
    await put(made, 'team-a', 'a1', ['k0']);
    await expect(put(made, 'team-a', 'a2', ['k1'])).rejects.toMatchObject({
      code: 'quota_exceeded',
      message: expect.stringMatching(
        /^tenant team-a would have 2 requests in progress, and tenantRequestsMax allows 1/,
      ),
    });
    await put(made, 'team-b', 'b1', ['k0']);
    writes.release();
    expect(await made.ended('b1')).toMatchObject({ end: 'ready' });
  });

  test('P32: more chunks than the tenant may have pages → quota_exceeded', async () => {
    const made = await cluster({ tenantPagesMax: 3 });
    const a = await put(made, 'team-a', 'a1', ['k0', 'k1']);
    await made.ended('a1');
    await put(made, 'team-a', 'a2', ['k0', 'k1']);
    expect(await made.ended('a2')).toMatchObject({ end: 'failed', reason: { code: 'quota_exceeded' } });
    await made.call('decode-0', 'release', { request: 'a1', epoch: a.epoch }, 'team-a');
    await put(made, 'team-a', 'a3', ['k0', 'k1']);
    expect(await made.ended('a3')).toMatchObject({ end: 'ready' });
  });

  test('P32: a tenant that has put more bytes than its rate → quota_exceeded for a while', async () => {
    const made = await cluster({ tenantBytesPerSecond: PAGE_BYTES / 2 });
    await put(made, 'team-a', 'a1', ['k0', 'k1']);
    await expect(put(made, 'team-a', 'a2', ['k3'])).rejects.toMatchObject({
      code: 'quota_exceeded',
      message: expect.stringMatching(/than tenantBytesPerSecond allows: put again after [0-9]+ ms$/),
    });
    await put(made, 'team-b', 'b1', ['k0']);
    await made.clock.advance(3000);
    await put(made, 'team-a', 'a2', ['k3']);
    expect(await made.ended('a2')).toMatchObject({ end: 'ready' });
  });

  test('P32: readers that outlive their requests → count for the pages of the tenant', async () => {
    const made = await cluster({ tenantPagesMax: 3 });
    const a1 = await put(made, 'team-a', 'a1', ['k0', 'k1']);
    await made.ended('a1');
    const epoch = '0'.repeat(16);
    const reader = { request: 'reader', epoch, keys: ['k0', 'k1'] };
    // One request and one reader of the same pages would count for four.
    await expect(made.call('decode-0', 'acquire', reader, 'team-a')).rejects.toMatchObject({
      code: 'quota_exceeded',
      field: 'keys',
      message: expect.stringMatching(/^tenant team-a would have 4 chunks of requests and readers, and tenantPagesMax/),
    });
    await made.call('decode-0', 'acquire', { ...reader, keys: ['k0'] }, 'team-a');
    await made.call('decode-0', 'release', { request: 'a1', epoch: a1.epoch }, 'team-a');
    await put(made, 'team-a', 'a2', ['k0', 'k1', 'k2']);
    expect(await made.ended('a2')).toMatchObject({ end: 'failed', reason: { code: 'quota_exceeded' } });
    // It may renew what it has, and another team is not concerned.
    expect(await made.call('decode-0', 'acquire', { ...reader, keys: ['k0', 'none'] }, 'team-a')).toMatchObject({
      keys: ['k0'],
      missing: ['none'],
    });
    await put(made, 'team-b', 'b1', ['k0', 'k1', 'k2']);
    expect(await made.ended('b1')).toMatchObject({ end: 'ready' });
    await made.call('decode-0', 'release', { request: 'reader', epoch }, 'team-a');
    await put(made, 'team-a', 'a3', ['k0', 'k1', 'k2']);
    expect(await made.ended('a3')).toMatchObject({ end: 'ready' });
  });

  test('P32: one reader more than the tenant may have → quota_exceeded, others read', async () => {
    const made = await cluster({ tenantRequestsMax: 1 });
    for (const tenant of ['team-a', 'team-b']) {
      await put(made, tenant, tenant, ['k0']);
      await made.ended(tenant);
    }
    const epoch = '0'.repeat(16);
    const read = (tenant: string, request: string, keys: string[]) =>
      outcome(made, tenant, 'decode-0', 'acquire', { request, epoch, keys });
    expect(await read('team-a', 'reader-1', ['k0'])).toMatchObject({ keys: ['k0'] });
    expect(await read('team-a', 'reader-2', ['k0'])).toBe('quota_exceeded');
    expect(await read('team-a', 'reader-2', ['none'])).toMatchObject({ missing: ['none'] });
    expect(await read('team-b', 'reader-1', ['k0'])).toMatchObject({ keys: ['k0'] });
    await made.call('decode-0', 'release', { request: 'reader-1', epoch }, 'team-a');
    expect(await read('team-a', 'reader-2', ['k0'])).toMatchObject({ keys: ['k0'] });
  });

  test.each(['cancelled', 'failed', 'expired'] as const)(
    'P32: a request that has %s → its place and its chunks are free',
    async (way) => {
      const made = await cluster({ tenantRequestsMax: 1, tenantPagesMax: 2 });
      const writes = made.fabrics.holdWrites();
      await put(made, 'team-a', 'a1', ['k0', 'k1']);
      await made.clock.until(() => writes.held > 0);
      const end = made.ended('a1');
      if (way === 'cancelled') await made.call('decode-0', 'cancel', { request: 'a1' }, 'team-a');
      if (way === 'failed') await made.call('prefill-0', 'cancel', { request: 'a1' }, 'team-a');
      if (way === 'expired') await made.clock.advance(30_001);
      expect(await end).not.toMatchObject({ end: 'ready' });
      writes.release();
      await made.clock.advance(1000);
      await put(made, 'team-a', 'a2', ['k0', 'k1']);
      expect(await made.ended('a2')).toMatchObject({ end: 'ready' });
    },
  );

  test('P32: offers of more chunks than the tenant may have → quota_exceeded, others put', async () => {
    const made = await cluster({ tenantPagesMax: 65_537 });
    expect(await outcome(made, 'team-a', 'prefill-0', 'put', offer('a1'))).toMatchObject({ epoch: expect.any(String) });
    await expect(made.call('prefill-0', 'put', offer('a2'), 'team-a')).rejects.toMatchObject({
      code: 'quota_exceeded',
      field: 'totalChunks',
      message: expect.stringMatching(/^tenant team-a would have 131072 chunks of requests, and tenantPagesMax/),
    });
    expect(await outcome(made, 'team-b', 'prefill-0', 'put', offer('b'))).toMatchObject({ epoch: expect.any(String) });
    await made.call('prefill-0', 'cancel', { request: 'a1' }, 'team-a');
    expect(await outcome(made, 'team-a', 'prefill-0', 'put', offer('a2'))).toMatchObject({ epoch: expect.any(String) });
  });

  test.each(['cancelled', 'expired'] as const)(
    'P32: an offer that has %s → its place and its chunks are free',
    async (way) => {
      const made = await cluster({ tenantRequestsMax: 16 });
      const fill = (round: number) => offers(made, round).then((codes) => codes.filter((code) => code !== undefined));
      expect(await fill(0)).toEqual([]);
      expect(await outcome(made, 'team-b', 'prefill-0', 'put', offer('b'))).toBe('too_many_requests');
      if (way === 'expired') await made.clock.advance(30_001);
      else
        for (let index = 0; index < 16; index += 1)
          await made.call('prefill-0', 'cancel', { request: `0-${index}` }, 'team-a');
      expect(await fill(1)).toEqual([]);
    },
  );

  test('P32: one segment more than the tenant may have → quota_exceeded, others attach', async () => {
    const made = await cluster({ tenantSegmentsMax: 1 });
    await expect(attach(made, 'team-a', 'second')).rejects.toMatchObject({ code: 'quota_exceeded', field: 'segment' });
    await attach(made, 'default', 'first');
    expect((await made.status('prefill-0')).segmentsTotal).toBe(4);
  });
});
