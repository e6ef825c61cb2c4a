/**
 * T28: everything works under the configuration that `kvferry keys` makes, and NATS refuses each act that a role does not have.
 * Each program has the rights of its role alone.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AuthorizationError,
  connect,
  credsAuthenticator,
  type NatsConnection,
  PermissionViolationError,
} from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fillPage } from '../../src/cli/demo/pattern.js';
import { runProgram } from '../../src/cli/program.js';
import { connectClient } from '../../src/client/connect-client.js';
import { DecodeEngine } from '../../src/client/decode-engine.js';
import type { KvferryClient } from '../../src/client/kvferry-client.js';
import { PrefillEngine } from '../../src/client/prefill-engine.js';
import { RequestEnds } from '../../src/client/request-ends.js';
import { SharedFile } from '../../src/client/shared-file.js';
import { issueUser, makeKeys, revokeUser } from '../../src/keys/make-keys.js';
import { checkedUser } from '../../src/keys/users.js';
import { Teardown } from '../../src/processes/teardown.js';
import { poll } from '../../src/processes/within.js';
import { TestNatsServer } from '../support/nats-server.js';
import { RecordedTerminal } from '../support/recorded-terminal.js';
import { AgentProcess, missing, PAGE_BYTES } from './support.js';

const K = 'kvferry.v2';
const SLOTS = 4;
const START_MS = 120_000;
/** Time for the server to report every refusal. */
const REFUSED_MS = 5000;
const VIOLATION = /violation/i;

const teardown = new Teardown();
const work = mkdtempSync(join(tmpdir(), 'kvferry-rights-'));
const shared = mkdtempSync('/dev/shm/kvferry-rights-');
const directory = join(work, 'keys');
const ca = join(directory, 'ca.pem');
const creds = (user: string) => join(directory, 'users', `${user}.creds`);

let server: TestNatsServer;
const agents: AgentProcess[] = [];
let marks = 0;

const users = [
  'prefill-engine:engine-p:prefill-0',
  'decode-engine:engine-d:decode-0',
  'prefill-engine:team-p:prefill-0@team-a',
  'decode-engine:team-d:decode-0@team-a',
  'router:team-router@team-a',
  'prefill-agent:prefill-9',
  'tester:tester',
  'router:gone',
];

async function startAgent(name: string, role: 'prefill' | 'decode', ...access: string[]): Promise<void> {
  const agent = new AgentProcess(name, [
    ...['--role', role, '--nats-url', server.url, '--nats-ca', ca, ...access, '--provider', 'same-host'],
    ...[
      '--page-bytes',
      `${PAGE_BYTES}`,
      '--arena-pages',
      '64',
      '--arena-directory',
      shared,
      '--socket-directory',
      shared,
    ],
  ]);
  teardown.defer(async () => void (agent.isRunning && (await agent.end('SIGTERM'))));
  agents.push(agent);
  await agent.logged('agent running');
}

beforeAll(async () => {
  if (missing !== undefined) return;
  await makeKeys({ directory, serverNames: [], users });
  server = await TestNatsServer.start('--config', join(directory, 'server/nats.conf'), '--http_port', '-1');
  teardown.defer(() => server[Symbol.asyncDispose]());
  // One agent has a creds file, the other one makes itself a user with the key of its role.
  const prefill = checkedUser({ role: 'prefill-agent', name: 'prefill-0', agents: [], tenants: [] });
  await startAgent('prefill-0', 'prefill', '--nats-creds', issueUser(directory, prefill));
  await startAgent('decode-0', 'decode', '--nats-signing-key', join(directory, 'signing/decode-agent.nk'));
}, START_MS);

afterAll(async () => {
  await teardown.run((error) => console.error(error));
  rmSync(work, { recursive: true });
  rmSync(shared, { recursive: true });
}, START_MS);

async function clientOf(user: string, tenant?: string): Promise<KvferryClient> {
  const access = { creds: creds(user), ca };
  const client = await connectClient({ servers: server.url, access, name: `test of ${user}`, tenant });
  teardown.defer(() => client.close());
  return client;
}

/** A request from its put to the bytes at the decode engine. Resolves to the keys whose bytes are wrong. */
async function moved(request: string, by: { prefill: string; decode: string; router: string; tenant?: string }) {
  const [prefillClient, decodeClient, routerClient] = (await Promise.all(
    [by.prefill, by.decode, by.router].map((user) => clientOf(user, by.tenant)),
  )) as [KvferryClient, KvferryClient, KvferryClient];
  const memory = await SharedFile.create(join(shared, `memory-${request}`), SLOTS * PAGE_BYTES);
  const ends = new RequestEnds(routerClient);
  await routerClient.flush();
  const [decode] = (await routerClient.discover()).filter(({ role }) => role === 'decode');
  const options = { client: prefillClient, agent: 'prefill-0', segment: request, memory, slotBytes: PAGE_BYTES };
  const engine = await PrefillEngine.open(options);
  const keys = ['k0', 'k1', 'k2'];
  const chunks = keys.map((key) => {
    const bytes = Buffer.alloc(PAGE_BYTES);
    fillPage(bytes, key);
    return { key, bytes };
  });
  const routed = ends.expect(request);
  const put = await engine.put({ request, timeoutMs: 60_000 }, await engine.fill(chunks));
  // The router names the receiver, and reads the end.
  await routerClient.route('prefill-0', { request, receiver: decode?.agent ?? '' });
  const { event } = await put.ready();
  expect((await routed).event).toMatchObject({ request, end: 'ready' });
  const acquired = await new DecodeEngine({ client: decodeClient, agent: 'decode-0' }).acquire(event);
  const read = await Promise.all(keys.map((key) => acquired.read(key)));
  const wrong = keys.filter((_, index) => !chunks[index]?.bytes.equals(read[index] ?? Buffer.of()));
  await acquired.release();
  expect((await routerClient.status('decode-0', { request }, { tenant: routerClient.tenant })).requests[0]?.end).toBe(
    'ready',
  );
  await engine.close();
  await memory.close();
  await memory.unlink();
  return wrong;
}

/** A command of the command line, as the user. */
async function command(user: string, ...args: string[]) {
  const terminal = new RecordedTerminal({});
  const access = ['--nats', server.url, '--nats-creds', creds(user), '--nats-ca', ca];
  await runProgram([...args, ...access], terminal);
  return { exitCode: terminal.exitCode, stderr: terminal.stderr, stdout: terminal.stdout };
}

/**
 * What the server and the agents have logged about refused rights. The log comes late, so the observer is refused something first:
 * when the server has logged that, it has logged everything before.
 */
async function violations(): Promise<string[]> {
  marks += 1;
  const mark = `${K}.fault.mark-${marks}`;
  await refused('observer', { publish: [mark], subscribe: [] });
  const isLogged = () => server.log.some((line) => VIOLATION.test(line) && line.includes(mark));
  expect(await poll(REFUSED_MS, async () => (isLogged() ? true : undefined))).toBe(true);
  const lines = [...server.log, ...agents.flatMap(({ log }) => log)];
  return lines.filter((line) => VIOLATION.test(line) && !line.includes(`${K}.fault.mark-`));
}

describe.skipIf(missing !== undefined)(`under the made permissions ${missing ?? ''}`, () => {
  test('T28: a request of the default tenant → ready, with its bytes, and no violation', async () => {
    expect(await moved('r1', { prefill: 'engine-p', decode: 'engine-d', router: 'router' })).toEqual([]);
    expect(await violations()).toEqual([]);
  });

  test('T28, P32: a request of another tenant → ready, with its bytes, and no violation', async () => {
    const by = { prefill: 'team-p', decode: 'team-d', router: 'team-router', tenant: 'team-a' };
    expect(await moved('r2', by)).toEqual([]);
    expect(await violations()).toEqual([]);
  });

  test('T28: the whole load of the demo → every byte is right, and no violation', async () => {
    const load = ['--agents', 'existing', '--requests', '8', '--json'];
    const { exitCode, stderr, stdout } = await command('tester', 'demo', ...load);
    expect({ exitCode, stderr: stderr.filter((line) => /error|violation/i.test(line)) }).toEqual({
      exitCode: 0,
      stderr: [],
    });
    expect(JSON.parse(stdout.at(-1) ?? '')).toMatchObject({ requests: 8, ready: 8, mismatches: 0, leakedPages: 0 });
    expect(await violations()).toEqual([]);
  });

  test('T28: an observer → sees all tenants by every tool', async () => {
    const status = await command('observer', 'status', '--json');
    expect(JSON.parse(status.stdout[0] ?? '').map(({ agent }: { agent: string }) => agent)).toEqual([
      'decode-0',
      'prefill-0',
    ]);
    expect((await command('observer', 'explain', 'request', 'team-a r2')).exitCode).toBe(0);
    expect((await command('observer', 'top', '--once', '--interval', '500ms')).exitCode).toBe(0);
    expect(await violations()).toEqual([]);
  });

  test('T28: an operator → may order faults, which these agents refuse', async () => {
    const { exitCode, stderr } = await command('operator', 'fault', 'prefill-0', 'kill');
    expect([exitCode, stderr.join().includes('faults_not_allowed')]).toEqual([1, true]);
    expect(await violations()).toEqual([]);
  });

  test('T28: a revoked user → its connection ends, it stays out, and the others go on', async () => {
    const lost = await connectedAs('gone');
    const kept = readFileSync(creds('gone'), 'utf8');
    await revokeUser(directory, { name: 'gone' });
    server.signal('SIGHUP');
    await lost.closed();
    writeFileSync(creds('gone'), kept);
    await expect(connectedAs('gone')).rejects.toBeInstanceOf(AuthorizationError);
    // The server may end all connections when it reads its configuration again. The others come back.
    expect(await moved('r3', { prefill: 'engine-p', decode: 'engine-d', router: 'router' })).toEqual([]);
  });

  test('a server with these keys → refuses a program without TLS, and one without a user', async () => {
    await expect(connectClient({ servers: server.url, access: { ca }, name: 'nobody' })).rejects.toMatchObject({
      code: 'disconnected',
      message: expect.stringContaining('give a user by --nats-creds'),
    });
    await expect(
      connectClient({ servers: server.url, access: { creds: creds('observer') }, name: 'x' }),
    ).rejects.toMatchObject({ code: 'disconnected', message: expect.stringContaining('--nats-ca') });
  });

  test('a signing key that the server does not know → refused with the remedy', async () => {
    const other = join(work, 'other');
    await makeKeys({ directory: other, serverNames: [], users: [] });
    const signingKey = join(other, 'signing/observer.nk');
    await expect(
      connectClient({ servers: server.url, access: { signingKey, ca }, name: 'observer' }),
    ).rejects.toMatchObject({
      code: 'disconnected',
      message: expect.stringContaining(`the server does not know the signing key of ${signingKey}`),
    });
  });

  test('NATS restarts → an agent with a signing key makes itself a user again', async () => {
    await server.interrupt();
    await server.restore();
    const { exitCode, stderr } = await command('observer', 'status', '--agent', 'decode-0', '--wait', '60s');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: [] });
  });

  test('T28, P31: an agent → may not speak as another one, nor read what is for it', async () => {
    const ofAgent = {
      publish: [
        ...['abort', 'commit', 'drained'].map((act) => `${K}.peer.decode-0.00000000000000aa.prefill-0.${act}`),
        ...[`${K}.heartbeat.decode-0`, `${K}.event.decode-0.default.ready`, `${K}.source.prefill-0.default`],
        ...[`${K}.agent.prefill-0.default.cancel`, `${K}.fault.decode-0`, `${K}.peer.x.1.prefill-9.handover`],
      ],
      subscribe: [
        ...['_INBOX.>', '_INBOX_agent.>', '_INBOX_agent.decode-0.>', `${K}.peer.decode-0.>`, `${K}.agent.decode-0.>`],
        ...[`${K}.event.>`, '>'],
      ],
    };
    expect(await refused('prefill-9', ofAgent)).toEqual([...ofAgent.publish, ...ofAgent.subscribe].sort());
  });

  test('T28, P32: an engine → acts for no other tenant, role or agent', async () => {
    const ofTenant = {
      publish: [
        ...['default.cancel', 'team-b.put', '_all.status', 'team-a.acquire'].map(
          (act) => `${K}.agent.prefill-0.${act}`,
        ),
        ...[`${K}.agent.prefill-1.team-a.put`, `${K}.agent.decode-0.team-a.release`, `${K}.heartbeat.prefill-0`],
      ],
      subscribe: [
        `${K}.event.>`,
        `${K}.event.*.default.*`,
        `${K}.source.prefill-0.default`,
        '_INBOX_client.observer.>',
      ],
    };
    expect(await refused('team-p', ofTenant)).toEqual([...ofTenant.publish, ...ofTenant.subscribe].sort());
  });

  test('T28: an observer → may not put, cancel, acquire or read an inbox', async () => {
    const acts = ['default.put', 'default.cancel', '_all.cancel', 'default.acquire', 'default.attach'];
    const ofObserver = {
      publish: [...acts.map((act) => `${K}.agent.prefill-0.${act}`), `${K}.fault.prefill-0`],
      subscribe: ['_INBOX_agent.prefill-0.>', '_INBOX_client.router.>', `${K}.agent.>`, `${K}.peer.>`],
    };
    expect(await refused('observer', ofObserver)).toEqual([...ofObserver.publish, ...ofObserver.subscribe].sort());
  });
});

function connectedAs(user: string): Promise<NatsConnection> {
  const authenticator = credsAuthenticator(readFileSync(creds(user)));
  return connect({ servers: server.url, authenticator, tls: { caFile: ca }, reconnect: false });
}

/** The subjects that the server refuses to this user. */
async function refused(
  user: string,
  { publish, subscribe }: { readonly publish: readonly string[]; readonly subscribe: readonly string[] },
): Promise<string[]> {
  const connection = await connectedAs(user);
  const subjects = new Set<string>();
  void (async () => {
    for await (const change of connection.status()) {
      if (change.type === 'error' && change.error instanceof PermissionViolationError) {
        subjects.add(change.error.subject);
      }
    }
  })();
  for (const subject of publish) connection.publish(subject, '{"v":2}');
  for (const subject of subscribe) connection.subscribe(subject, { callback: () => undefined });
  await connection.flush();
  const count = publish.length + subscribe.length;
  await poll(REFUSED_MS, async () => (subjects.size === count ? true : undefined));
  await connection.close();
  return [...subjects].sort();
}
