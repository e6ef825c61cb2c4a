import { describe, expect, test } from 'vitest';
import { KvferryClient } from '../../src/client/kvferry-client.js';
import type { ControlMessage, ControlPort, ControlStatus, RequestOptions } from '../../src/ports/control.js';
import { ReplyError } from '../../src/protocol/codec.js';
import { KvferryError } from '../../src/protocol/errors.js';
import type { MessageHeaders } from '../../src/protocol/headers.js';
import { MESSAGE_BYTES_MAX } from '../../src/protocol/limits.js';
import { operations } from '../../src/protocol/subjects.js';

const epoch = '00000000000000aa';

/** A control port that answers from a table and remembers what it was asked. */
class ScriptedControl implements ControlPort {
  readonly messageBytesMax = MESSAGE_BYTES_MAX;
  readonly asked: ({ readonly subject: string; readonly body: unknown } & RequestOptions)[] = [];
  readonly answers = new Map<string, string>();
  readonly announcements: string[] = [];
  readonly handlers = new Map<string, (message: ControlMessage) => void>();
  closed = false;

  async request(subject: string, body: string, options: RequestOptions): Promise<string> {
    this.asked.push({ subject, body: JSON.parse(body), ...options });
    const answer = this.answers.get(subject);
    if (answer === undefined) throw new KvferryError('no_responders', `nobody listens on ${subject}`);
    return answer;
  }

  async requestAll(subject: string, body: string, { timeoutMs }: { readonly timeoutMs: number }): Promise<string[]> {
    this.asked.push({ subject, body: JSON.parse(body), timeoutMs });
    return this.announcements;
  }

  publish(): void {
    throw new KvferryError('internal', 'a client publishes nothing');
  }

  subscribe(subject: string, handler: (message: ControlMessage) => void) {
    this.handlers.set(subject, handler);
    return { close: () => this.handlers.delete(subject) };
  }

  /** `pattern`: what the client has subscribed to. */
  emit(pattern: string, body: unknown, headers?: MessageHeaders, subject = pattern): void {
    this.handlers.get(pattern)?.({ subject, body: JSON.stringify(body), headers, respond: () => undefined });
  }

  /** A terminal event of `agent`. */
  announce(agent: string, event: object, headers?: MessageHeaders): void {
    this.emit('kvferry.v2.event.*.default.*', event, headers, `kvferry.v2.event.${agent}.default.ready`);
  }

  onStatus: ControlPort['onStatus'] = () => undefined;
  reconnect = () => undefined;

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.closed = true;
  }
}

function setUp() {
  const control = new ScriptedControl();
  const invalid: unknown[] = [];
  const client = new KvferryClient(control, { timeoutMs: 1234, onInvalid: (error) => invalid.push(error) });
  return { control, client, invalid };
}

const arena = { path: '/dev/shm/arena', epoch, pageBytes: 4096, pages: 4 };
const counts = { total: 4, free: 4, writing: 0, ready: 0, quarantined: 0, reserved: 0, retained: 0 };
const description = {
  agent: 'a',
  epoch,
  role: 'decode',
  state: 'running',
  version: '0.1.0',
  heartbeatMs: 1000,
  endpoints: [],
  unavailable: [],
  arena,
};

/** For every operation: a call, what it sends, and what the agent answers. */
const calls: Readonly<
  Record<(typeof operations)[number], [(client: KvferryClient) => Promise<unknown>, object, object]>
> = {
  put: [
    (client) =>
      client.put('a', {
        request: 'r',
        receiver: 'd1',
        batch: 0,
        last: true,
        totalChunks: 1,
        timeoutMs: 1000,
        keys: ['k'],
        source: [{ segment: 's', offset: 0, length: 64 }],
      }),
    {
      request: 'r',
      receiver: 'd1',
      batch: 0,
      last: true,
      totalChunks: 1,
      timeoutMs: 1000,
      keys: ['k'],
      source: [{ segment: 's', offset: 0, length: 64 }],
    },
    { epoch },
  ],
  route: [(client) => client.route('a', { request: 'r', receiver: 'd1' }), { request: 'r', receiver: 'd1' }, { epoch }],
  cancel: [(client) => client.cancel('a', { request: 'r' }), { request: 'r' }, { end: 'ready' }],
  lookup: [
    (client) => client.lookup('a', { keys: ['k'] }),
    { keys: ['k'] },
    { agent: 'a', epoch, role: 'decode', state: 'running', held: 1, expected: 1, queued: 0, requests: 2 },
  ],
  acquire: [
    (client) => client.acquire('a', { request: 'r', epoch }),
    { request: 'r', epoch },
    { arena, leaseMs: 1000, keys: ['k'], pages: [3], generations: [1], lengths: [64], missing: [] },
  ],
  release: [
    (client) => client.release('a', { request: 'r', epoch, keys: ['k'] }),
    { request: 'r', epoch, keys: ['k'] },
    { existed: 1, freedPages: 1 },
  ],
  status: [
    (client) => client.status('a'),
    {},
    {
      agent: 'a',
      epoch,
      role: 'decode',
      state: 'running',
      uptimeMs: 5,
      pages: counts,
      queued: 0,
      segments: [],
      sessions: [],
      peers: [],
      requests: [],
      requestsTotal: 0,
      segmentsTotal: 0,
      sessionsTotal: 0,
      peersTotal: 0,
      counters: { messages_refused: 1 },
    },
  ],
  describe: [(client) => client.describe('a'), {}, description],
  sources: [
    (client) => client.sources('a', { session: epoch }),
    { session: epoch },
    { epoch, alone: true, batches: [{ request: 'r', batch: 0, positions: [1] }] },
  ],
  open: [
    (client) => client.open('a', { session: epoch, holder: 'e1', silentMs: 5000 }),
    { session: epoch, holder: 'e1', silentMs: 5000 },
    { epoch, silentMs: 5000, order: 0 },
  ],
  renew: [(client) => client.renew('a', { session: epoch }), { session: epoch }, { epoch, order: 3 }],
  barrier: [
    (client) => client.barrier('a', { session: epoch, order: 4 }),
    { session: epoch, order: 4 },
    { epoch, barred: [3] },
  ],
  end: [(client) => client.end('a', { session: epoch }), { session: epoch }, { epoch, chunksInUse: 0 }],
  attach: [
    (client) => client.attach('a', { segment: 's', path: '/dev/shm/s' }),
    { segment: 's', path: '/dev/shm/s' },
    { bytes: 4096 },
  ],
  detach: [(client) => client.detach('a', { segment: 's' }), { segment: 's' }, {}],
  stage: [
    (client) => client.stage('a', { holder: 'e1', pages: 1 }),
    { holder: 'e1', pages: 1 },
    { segment: 'staging', path: '/dev/shm/staging', pageBytes: 4096, offsets: [0] },
  ],
  inspect: [
    (client) => client.inspect('a', { pages: true }),
    { pages: true },
    { agent: 'a', epoch, role: 'decode', state: 'running', nowMs: 5, actors: [], actorsTotal: 0, pages: 'f4' },
  ],
  journal: [
    (client) => client.journal('a', { from: 3 }),
    { from: 3 },
    { agent: 'a', epoch, nowMs: 5, entries: [], next: 3, end: 3, missed: 0 },
  ],
  explain: [
    (client) => client.explain('a', { key: 'k' }),
    { key: 'k' },
    { agent: 'a', epoch, nowMs: 5, explanations: [] },
  ],
  unstage: [(client) => client.unstage('a', { holder: 'e1' }), { holder: 'e1' }, { returned: 1 }],
};

describe.each(operations)('%s', (operation) => {
  const [call, sent, answer] = calls[operation];
  const isShown = ['status', 'inspect', 'journal', 'explain'].includes(operation);
  const subject = `kvferry.v2.agent.a.${isShown ? '_all' : 'default'}.${operation}`;
  const reply = { v: 2, ok: true, ...answer };

  test('asks the agent and returns its reply', async () => {
    const { control, client } = setUp();
    control.answers.set(subject, JSON.stringify(reply));
    expect(await call(client)).toEqual(reply);
    expect(control.asked).toEqual([{ subject, body: { v: 2, ...sent }, timeoutMs: 1234 }]);
  });

  test('throws the error the agent answered with', async () => {
    const { control, client } = setUp();
    const error = { code: 'request_ended', message: 'request r has ended: ready', field: 'request', end: 'ready' };
    control.answers.set(subject, JSON.stringify({ v: 2, ok: false, error }));
    const failure = await call(client).catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(ReplyError);
    expect(failure).toMatchObject(error);
  });

  test('refuses a reply that does not fit', async () => {
    const { control, client } = setUp();
    control.answers.set(subject, JSON.stringify({ ...reply, surprise: 1 }));
    await expect(call(client)).rejects.toMatchObject({ code: 'invalid_field', field: 'surprise' });
    control.answers.set(subject, 'what?');
    await expect(call(client)).rejects.toMatchObject({ code: 'malformed_json' });
  });

  test('rejects no_responders when there is no such agent', async () => {
    await expect(call(setUp().client)).rejects.toMatchObject({ code: 'no_responders' });
  });
});

test('orders a fault and returns what will happen', async () => {
  const { control, client } = setUp();
  const reply = { v: 2, ok: true, agent: 'a', epoch, forMs: 300 };
  control.answers.set('kvferry.v2.fault.a', JSON.stringify(reply));
  expect(await client.fault('a', { fault: 'stop', forMs: 300 }, { timeoutMs: 7 })).toEqual(reply);
  expect(control.asked).toEqual([
    { subject: 'kvferry.v2.fault.a', body: { v: 2, fault: 'stop', forMs: 300 }, timeoutMs: 7 },
  ]);
  const error = { code: 'faults_not_allowed', message: 'agent a was not started with --allow-faults' };
  control.answers.set('kvferry.v2.fault.a', JSON.stringify({ v: 2, ok: false, error }));
  await expect(client.fault('a', { fault: 'kill' })).rejects.toMatchObject(error);
});

test('takes a deadline for one call', async () => {
  const { control, client } = setUp();
  control.answers.set('kvferry.v2.agent.a.default.describe', JSON.stringify({ v: 2, ok: true, ...description }));
  await client.describe('a', { timeoutMs: 7 });
  expect(control.asked[0]?.timeoutMs).toBe(7);
});

test('sends the headers of a call', async () => {
  const { control, client } = setUp();
  control.answers.set('kvferry.v2.agent.a.default.cancel', JSON.stringify({ v: 2, ok: true }));
  await client.cancel('a', { request: 'r' }, { headers: { traceparent: 'x' } });
  await client.cancel('a', { request: 'r' });
  expect(control.asked.map(({ headers }) => headers)).toEqual([{ traceparent: 'x' }, undefined]);
});

test('discovers agents by name and drops what is no description', async () => {
  const { control, client, invalid } = setUp();
  const announce = (agent: string) => JSON.stringify({ v: 2, ok: true, ...description, agent });
  control.announcements.push(announce('p2'), '{}', announce('d1'));
  expect((await client.discover({ timeoutMs: 9 })).map(({ agent }) => agent)).toEqual(['d1', 'p2']);
  expect(control.asked).toEqual([{ subject: 'kvferry.v2.discover', body: { v: 2 }, timeoutMs: 9 }]);
  expect(invalid).toEqual([expect.objectContaining({ code: 'invalid_field' })]);
});

test('receives terminal events of all agents and drops malformed ones', () => {
  const { control, client, invalid } = setUp();
  const heard: unknown[] = [];
  const subscription = client.onTerminal((event) => heard.push(event));
  const event = {
    v: 2,
    request: 'r',
    epoch,
    end: 'ready',
    sender: 'p1',
    receiver: 'd1',
    chunks: 2,
    deduplicated: 1,
    joined: 0,
    bytes: 64,
    ageMs: 3,
  };
  control.announce('d1', event);
  control.announce('d1', { ...event, end: 'lost' });
  expect(heard).toEqual([event]);
  expect(invalid).toEqual([expect.objectContaining({ code: 'invalid_field', field: 'end' })]);
  subscription.close();
  expect(control.handlers.size).toBe(0);
});

test('hands on the headers of terminal events', () => {
  const { control, client } = setUp();
  const heard: unknown[] = [];
  client.onTerminal(({ request }, headers) => heard.push([request, headers]));
  const counts = { chunks: 0, deduplicated: 0, joined: 0, bytes: 0, ageMs: 3 };
  const event = { v: 2, epoch, end: 'ready', sender: 'p1', receiver: 'd1', ...counts };
  control.announce('d1', { ...event, request: 'traced' }, { traceparent: 'x' });
  control.announce('d1', { ...event, request: 'other' });
  expect(heard).toEqual([
    ['traced', { traceparent: 'x' }],
    ['other', {}],
  ]);
});

test('P12: receives one terminal event of a request, the first', () => {
  const { control, client } = setUp();
  const heard: unknown[] = [];
  client.onTerminal(({ request, end }) => heard.push([request, end]));
  const counts = { chunks: 2, deduplicated: 1, joined: 0, bytes: 64, ageMs: 3 };
  const event = { v: 2, request: 'r', epoch, end: 'ready', sender: 'p1', receiver: 'd1', ...counts };
  const reason = { code: 'receiver_lost', message: 'agent d1 is lost' };
  control.announce('d1', event);
  control.announce('d1', { ...event, end: 'failed', reason });
  control.announce('d1', { ...event, request: 'other', end: 'failed', reason });
  expect(heard).toEqual([
    ['r', 'ready'],
    ['other', 'failed'],
  ]);
});

test('receives which source memory of one agent is free again', () => {
  const { control, client } = setUp();
  const heard: unknown[] = [];
  client.onSourceReleased('p1', (event) => heard.push(event));
  const event = { v: 2, request: 'r', epoch, batch: 0, positions: [0, 2] };
  control.emit('kvferry.v2.source.p1.default', event);
  expect(heard).toEqual([event]);
});

test('receives the heartbeats of one agent', () => {
  const { control, client } = setUp();
  const beats: unknown[] = [];
  client.onHeartbeat('p1', (beat) => beats.push(beat));
  const counted = { number: 1, ageMs: 0, alone: true, draining: false, leaving: false };
  const beat = { v: 2, agent: 'p1', epoch, role: 'prefill', heartbeatMs: 1000, ...counted };
  control.emit('kvferry.v2.heartbeat.p1', beat);
  control.emit('kvferry.v2.heartbeat.p2', { ...beat, agent: 'p2' });
  expect(beats).toEqual([beat]);
});

test('closes its control port', async () => {
  const { control, client } = setUp();
  await client.close();
  expect(control.closed).toBe(true);
});

test('a closed listener receives no change of the connection, and no end of the client', async () => {
  let change: (status: ControlStatus) => void = () => undefined;
  const { control } = setUp();
  control.onStatus = (listener: (status: ControlStatus) => void) => {
    change = listener;
  };
  const client = new KvferryClient(control);
  const received: string[] = [];
  const subscriptions = [
    client.onConnection((status) => received.push(status)),
    client.onClose(() => received.push('closed')),
  ];
  change('disconnected');
  for (const subscription of subscriptions) subscription.close();
  change('connected');
  await client.close();
  expect([received, client.isConnected]).toEqual([['disconnected'], true]);
});
