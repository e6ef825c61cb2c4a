import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { runProgram } from '../../src/cli/program.js';
import { connectNats } from '../../src/control/nats-control.js';
import type { ControlPort } from '../../src/ports/control.js';
import type { Explanation } from '../../src/protocol/observation.js';
import { subjects } from '../../src/protocol/subjects.js';
import { natsServerMissing, TestNatsServer } from '../support/nats-server.js';
import { RecordedTerminal } from '../support/recorded-terminal.js';

const epoch = '00000000000000aa';
const waits: Explanation = {
  about: 'request',
  name: `${epoch}/r1`,
  side: 'receiver',
  state: 'running.waiting',
  inStateMs: 1000,
  summary: `Request ${epoch}/r1 has been running.waiting for 1.0 s. It waits for 7 pages.`,
  waiting: { gate: 'admission', text: '7 pages', endsInMs: 19_000 },
  holders: [{ request: 'r0', epoch, holds: 'ready, not released: 6 chunks leased', pages: 6, endsInMs: 59_000 }],
  holdersTotal: 3,
  trail: [
    {
      ...{ n: 1, atMs: 100, kind: 'state', machine: 'ingest', actor: `ingest ${epoch}/r1`, request: 'r1', epoch },
      event: '',
      to: 'running.waiting',
      done: false,
    },
    {
      n: 2,
      atMs: 101,
      kind: 'store',
      action: 'queued',
      request: 'r1',
      epoch,
      batch: 0,
      chunks: 9,
      keys: ['k1', 'k2'],
      detail: 'needs 7 pages; 2 are available',
    },
    {
      n: 3,
      atMs: 1100,
      kind: 'message',
      direction: 'in',
      operation: 'abort',
      request: 'r1',
      epoch,
      tookMs: 0.25,
      code: 'x',
    },
  ],
};

describe.skipIf(natsServerMissing)(`kvferry explain ${natsServerMissing ?? ''}`, () => {
  const agents: ControlPort[] = [];
  let server: TestNatsServer;

  beforeAll(async () => {
    server = await TestNatsServer.start();
  });
  afterEach(async () => {
    await Promise.all(agents.splice(0).map((agent) => agent.close()));
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** Answers as an agent would; notes what it was asked. */
  async function play(agent: string, explanations: readonly Explanation[]): Promise<unknown[]> {
    const asked: unknown[] = [];
    const control = await connectNats({ servers: server.url, name: agent });
    agents.push(control);
    const description = { v: 2, ok: true, agent, epoch, role: 'decode', state: 'running', version: '0.1.0' };
    control.subscribe(subjects.discover, (message) =>
      message.respond(JSON.stringify({ ...description, heartbeatMs: 1000, endpoints: [], unavailable: [] })),
    );
    control.subscribe(subjects.operation(agent, '_all', 'explain'), (message) => {
      asked.push(JSON.parse(message.body));
      message.respond(JSON.stringify({ v: 2, ok: true, agent, epoch, nowMs: 5, explanations }));
    });
    await control.flush();
    return asked;
  }

  async function run(...args: string[]) {
    const terminal = new RecordedTerminal({ KVFERRY_NATS_URL: server.url });
    await runProgram(['explain', ...args], terminal);
    const { exitCode, stdout, stderr } = terminal;
    return { exitCode, stdout: stdout.join('\n'), stderr: stderr.join('\n') };
  }

  test('names the gate, the deadline and the holder, and tells what happened', async () => {
    const asked = await play('d1', [waits]);
    await play('d2', []);
    const { exitCode, stdout, stderr } = await run('request', 'r1');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(asked).toEqual([{ v: 2, request: 'r1' }]);
    expect(stdout.split('\n').map((line) => line.trim().split(/ {2,}/))).toEqual([
      [`request ${epoch}/r1 at d1 (receiver): running.waiting`],
      [`Request ${epoch}/r1 has been running.waiting for 1.0 s. It waits for 7 pages.`],
      ['gate: admission'],
      ['deadline: in 19.000 s'],
      ['holders (1 of 3):'],
      ['REQUEST', 'HOLDS', 'PAGES', 'UNTIL'],
      [`${epoch}/r0`, 'ready, not released: 6 chunks leased', '6', '59.000 s'],
      ['trail (time before its last entry):'],
      ['WHEN', 'WHO', 'WHAT'],
      ['-1.000 s', `ingest ${epoch}/r1`, 'started → running.waiting'],
      ['-0.999 s', `store, for ${epoch}/r1`, 'queued 9 chunks: k1, k2, … (needs 7 pages; 2 are available)'],
      ['-0.000 s', '-', 'received abort, 0.25 ms, x'],
    ]);
  });

  test.each([
    ['transfer', `${epoch}/r1/0`, { transfer: `${epoch}/r1/0` }],
    ['key', 'k1', { key: 'k1' }],
    ['page', '12', { page: 12 }],
  ])('asks about a %s, one agent only, and prints JSON', async (kind, name, query) => {
    const asked = await play('d1', [waits]);
    const others = await play('d2', [waits]);
    const { exitCode, stdout } = await run(kind, name, '--agent', 'd1', '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual([{ agent: 'd1', ...waits }]);
    expect(asked).toEqual([{ v: 2, ...query }]);
    expect(others).toEqual([]);
  });

  test('says that nobody knows it', async () => {
    await play('d1', []);
    expect(await run('request', 'r9')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'kvferry: no agent knows request r9; asked: d1 [unknown_request]',
    });
  });

  test('refuses what cannot be explained', async () => {
    expect((await run('agent', 'd1')).stderr).toContain(
      'cannot explain "agent"; the kinds are request, transfer, key, page',
    );
    expect((await run('page', 'first')).stderr).toContain('is not a page number');
  });
});
