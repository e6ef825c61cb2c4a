import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { runProgram } from '../../src/cli/program.js';
import { connectNats } from '../../src/control/nats-control.js';
import type { ControlPort } from '../../src/ports/control.js';
import { subjects } from '../../src/protocol/subjects.js';
import { natsServerMissing, TestNatsServer } from '../support/nats-server.js';
import { RecordedTerminal } from '../support/recorded-terminal.js';

const epoch = '00000000000000aa';
const decode = {
  v: 2,
  ok: true,
  agent: 'd1',
  epoch,
  role: 'decode',
  state: 'running',
  uptimeMs: 61_500,
  pages: { total: 128, free: 100, writing: 8, ready: 19, quarantined: 1, reserved: 7, retained: 4 },
  quarantineAgeMs: 2300,
  queued: 2,
  segments: [],
  sessions: [],
  peers: [
    {
      agent: 'p1',
      epoch: '00000000000000bb',
      side: 'sender',
      state: 'connected',
      provider: 'tcp',
      detail: 'libfabric net 1.17',
      fallback: ['verbs: no device'],
    },
  ],
  requests: [
    { request: 'r1', epoch, side: 'receiver', state: 'receiving', ageMs: 1200, batches: 1, chunks: 8 },
    {
      request: 'r2',
      epoch,
      side: 'receiver',
      state: 'ended',
      ageMs: 10,
      end: 'failed',
      reason: { code: 'sender_lost', message: 'agent p2 is gone' },
    },
  ],
  requestsTotal: 2,
  segmentsTotal: 0,
  sessionsTotal: 0,
  peersTotal: 1,
  counters: {},
};
const prefill = {
  ...decode,
  agent: 'p1',
  role: 'prefill',
  pages: undefined,
  quarantineAgeMs: undefined,
  queued: 0,
  segments: [
    { segment: 's1', path: '/dev/shm/s1', bytes: 4096, chunksInUse: 2, session: '00000000000000f1' },
    { segment: 's2', path: '/dev/shm/s2', bytes: 4096, chunksInUse: 0, removedMs: 7000 },
  ],
  sessions: [
    {
      ...{ session: '00000000000000f1', holder: 'engine-0', state: 'open', silentMs: 30_000, silentForMs: 2500 },
      ...{ order: 17, waiting: 1, requests: 2, segments: 1, stagingPages: 3, chunksInUse: 2 },
    },
  ],
  peers: [],
  requests: [],
  requestsTotal: 0,
  segmentsTotal: 0,
  sessionsTotal: 0,
  peersTotal: 0,
};

describe.skipIf(natsServerMissing)(`kvferry status ${natsServerMissing ?? ''}`, () => {
  const agents: ControlPort[] = [];
  let server: TestNatsServer;

  beforeAll(async () => {
    server = await TestNatsServer.start();
  });
  afterEach(async () => {
    await Promise.all(agents.splice(0).map((agent) => agent.close()));
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** Answers as an agent would, with a fixed status. */
  async function play(
    status: (typeof decode | typeof prefill) & { isSilent?: boolean },
    onAsked: () => void = () => undefined,
  ): Promise<void> {
    const control = await connectNats({ servers: server.url, name: status.agent });
    agents.push(control);
    const { agent, role, state, v, ok } = status;
    const description = { v, ok, agent, epoch, role, state, version: '0.1.0', heartbeatMs: 1000, endpoints: [] };
    control.subscribe(subjects.discover, (message) =>
      message.respond(JSON.stringify({ ...description, unavailable: [] })),
    );
    control.subscribe(subjects.operation(agent, '_all', 'status'), (message) => {
      onAsked();
      if (status.isSilent) return;
      const { request } = JSON.parse(message.body) as { request?: string };
      const requests = status.requests.filter((row) => request === undefined || row.request === request);
      message.respond(JSON.stringify({ ...status, requests }));
    });
    await control.flush();
  }

  async function run(...args: string[]) {
    const terminal = new RecordedTerminal({ KVFERRY_NATS_URL: server.url });
    await runProgram(['status', ...args], terminal);
    const { exitCode, stdout, stderr } = terminal;
    return { exitCode, stdout: stdout.join('\n'), stderr: stderr.join('\n') };
  }

  test('says that nobody is there', async () => {
    expect(await run()).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `kvferry: no agent answers at ${server.url}; start one with: kvferry agent [no_responders]`,
    });
  });

  test('says that there is no NATS', async () => {
    const gone = await TestNatsServer.start();
    await gone[Symbol.asyncDispose]();
    expect(await run('--nats', gone.url)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `kvferry: no connection to NATS at ${gone.url}: connection refused [disconnected]`,
    });
  });

  test('shows agents, peers and requests', async () => {
    await play(decode);
    await play(prefill);
    const { exitCode, stdout, stderr } = await run();
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      'AGENT ROLE EPOCH STATE UPTIME PAGES FREE WRITING READY RETAINED QUARANTINED RESERVED QUEUED'.split(' '),
      ['d1', 'decode', epoch, 'running', '1m01s', '128', '100', '8', '19', '4', '1 for 2.3s', '7', '2'],
      ['p1', 'prefill', epoch, 'running', '1m01s', '-', '-', '-', '-', '-', '-', '-', '0'],
      [''],
      ['AGENT', 'PEER IS', 'PEER', 'EPOCH', 'STATE', 'PROVIDER', 'NOT TAKEN'],
      ['d1', 'sender', 'p1', '00000000000000bb', 'connected', 'libfabric net 1.17', 'verbs: no device'],
      [''],
      [
        ...['AGENT', 'SESSION', 'ENGINE', 'STATE', 'SILENT FOR', 'ORDERS', 'REQUESTS', 'SEGMENTS', 'STAGING'],
        'CHUNKS IN USE',
      ],
      ['p1', '00000000000000f1', 'engine-0', 'open', '2.5s', '17', '2', '1', '3', '2'],
      [''],
      ['AGENT', 'SEGMENT', 'FILE THAT IS GONE', 'SIZE', 'CHUNKS IN USE', 'GONE FOR'],
      ['p1', 's2', '/dev/shm/s2', '4KiB', '0', '7.0s'],
      [''],
      'AGENT SIDE REQUEST STATE BATCHES CHUNKS AGE REASON'.split(' '),
      ['d1', 'receiver', 'r1', 'receiving', '1', '8', '1.2s', '-'],
      ['d1', 'receiver', 'r2', 'failed', '-', '-', '0.0s', 'sender_lost: agent p2 is gone'],
    ]);
  });

  test('prints JSON, also of one request', async () => {
    await play(decode);
    const { stdout } = await run('--json', '--request', 'r2');
    expect(JSON.parse(stdout)).toEqual([{ ...decode, requests: [decode.requests[1]] }]);
  });

  test('the status of one agent can be asked for', async () => {
    await play(decode);
    await play(prefill);
    const { stdout } = await run('--json', '--agent', 'p1');
    expect(JSON.parse(stdout)).toEqual([JSON.parse(JSON.stringify(prefill))]);
    expect(await run('--json', '--agent', 'p9')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'kvferry: agent p9 is not connected to NATS [no_responders]',
    });
  });

  test('asks several agents by name', async () => {
    await play(decode);
    await play(prefill);
    const { stdout } = await run('--json', '--agent', 'p1', '--agent', 'd1');
    expect((JSON.parse(stdout) as { agent: string }[]).map(({ agent }) => agent)).toEqual(['p1', 'd1']);
  });

  test('waits until a named agent answers', async () => {
    const askedAgain = new Promise<void>((resolve) => {
      let asked = 0;
      void play(decode, () => {
        asked += 1;
        if (asked === 2) resolve();
      });
    });
    const waiting = run('--json', '--agent', 'd1', '--agent', 'p1', '--wait', '60s');
    await askedAgain;
    await play(prefill);
    const { exitCode, stdout, stderr } = await waiting;
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect((JSON.parse(stdout) as { agent: string }[]).map(({ agent }) => agent)).toEqual(['d1', 'p1']);
  });

  test('waits until NATS answers', async () => {
    await server.interrupt();
    const waiting = run('--wait', '1ms');
    expect((await waiting).stderr).toContain('connection refused [disconnected]');
    const waitingLonger = run('--json', '--agent', 'd1', '--wait', '60s');
    await server.restore();
    await play(decode);
    expect((await waitingLonger).exitCode).toBe(0);
  });

  test('shows the others when some do not answer, names those, and fails', async () => {
    await play(decode);
    for (const agent of ['s1', 's2']) await play({ ...prefill, agent, isSilent: true });
    const { exitCode, stdout, stderr } = await run('--json');
    expect({ exitCode, stderr: stderr.split('\n').sort() }).toEqual({
      exitCode: 1,
      stderr: ['s1', 's2'].map((agent) => `kvferry: agent ${agent} does not answer within 2000 ms [deadline_exceeded]`),
    });
    expect((JSON.parse(stdout) as { agent: string }[]).map(({ agent }) => agent)).toEqual(['d1']);
  });

  test('says that nobody knows a request', async () => {
    await play(decode);
    const { exitCode, stderr } = await run('--request', 'r3');
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: 'kvferry: no agent knows request r3 [unknown_request]',
    });
  });

  test('fewer rows than there are → says how many are not shown', async () => {
    await play({ ...decode, requests: decode.requests.slice(0, 1), requestsTotal: 300, peersTotal: 22 });
    const { stdout } = await run('--agent', 'd1');
    expect(stdout.split('\n').at(-1)).toBe('d1 has 21 more peers and 299 more requests: see --limit');
  });

  test('refuses a limit that is no number', async () => {
    const { exitCode, stderr } = await run('--limit', 'few');
    expect(exitCode).toBe(2);
    expect(stderr).toContain("'few' is invalid");
  });
});
