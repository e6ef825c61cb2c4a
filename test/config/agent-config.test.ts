import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ConfigName, configFields, resolveAgentConfig, toAgentOptions } from '../../src/config/agent-config.js';
import { redactCredentials } from '../../src/config/nats-fields.js';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'kvferry-config-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function file(content: unknown): string {
  const path = join(directory, 'agent.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function entry(name: ConfigName, sources: Partial<Parameters<typeof resolveAgentConfig>[0]>) {
  const { values, entries } = resolveAgentConfig({ flags: {}, env: {}, ...sources });
  return { value: values[name], source: entries.find((each) => each.name === name)?.source };
}

/** A valid value for every field, as text, and what becomes of it. */
const samples: Readonly<Record<ConfigName, readonly [text: string, value: unknown]>> = {
  role: ['decode', 'decode'],
  agentId: ['decode-7', 'decode-7'],
  natsUrl: ['nats://nats:4222', 'nats://nats:4222'],
  natsCreds: ['/keys/user.creds', '/keys/user.creds'],
  natsNkey: ['/keys/user.nk', '/keys/user.nk'],
  natsSigningKey: ['/keys/user.nk', '/keys/user.nk'],
  natsCa: ['/keys/ca.pem', '/keys/ca.pem'],
  natsCert: ['/keys/cert.pem', '/keys/cert.pem'],
  natsKey: ['/keys/key.pem', '/keys/key.pem'],
  natsTls: ['required', 'required'],
  natsConnectTimeoutMs: ['5s', 5000],
  provider: ['verbs, tcp', ['verbs', 'tcp']],
  bindAddress: ['10.0.0.7', '10.0.0.7'],
  tcpPort: ['47000-47100', { first: 47_000, last: 47_100 }],
  tcpStreams: ['2', 2],
  tcpEncryption: ['required', 'required'],
  socketDirectory: ['/run/kvferry', '/run/kvferry'],
  socketUsers: ['any', 'any'],
  windowBytes: ['16MiB', 16_777_216],
  sliceBytes: ['256KiB', 262_144],
  pageBytes: ['16MiB', 16_777_216],
  arenaPages: ['64', 64],
  arenaDirectory: ['/dev/hugepages', '/dev/hugepages'],
  arenaDevice: ['GPU-5a4b3c2d-0011-2233-4455-66778899aabb', 'GPU-5a4b3c2d-0011-2233-4455-66778899aabb'],
  numaNode: ['1', 1],
  stagingPages: ['8', 8],
  requestsMax: ['100', 100],
  segmentDirectory: ['/dev/shm/team-a, /mnt/huge', ['/dev/shm/team-a', '/mnt/huge']],
  segmentOwner: ['1000, 0', [1000, 0]],
  segmentsMax: ['300', 300],
  tenantShares: ['team-b=team-a, team-c=team-a', { 'team-b': 'team-a', 'team-c': 'team-a' }],
  tenantRequestsMax: ['10', 10],
  tenantPagesMax: ['32', 32],
  tenantSegmentsMax: ['4', 4],
  tenantBytesPerSecond: ['2GiB', 2 ** 31],
  sessionsMax: ['16', 16],
  journalEntries: ['1000', 1000],
  auditIntervalMs: ['250ms', 250],
  leaseMs: ['30s', 30_000],
  retainedPages: ['16', 16],
  heartbeatMs: ['250ms', 250],
  connectTimeoutMs: ['3s', 3000],
  attemptTimeoutMs: ['500', 500],
  inquireIntervalMs: ['700ms', 700],
  writeDrainTimeoutMs: ['4s', 4000],
  shutdownTimeoutMs: ['0', 0],
  sweepIntervalMs: ['100ms', 100],
  tombstoneMs: ['60s', 60_000],
  tombstonesMax: ['1000', 1000],
  inspectAddress: ['7070', { host: '127.0.0.1', port: 7070 }],
  metricsAddress: ['0.0.0.0:9464', { host: '0.0.0.0', port: 9464 }],
  logLevel: ['debug', 'debug'],
  record: ['/var/log/kvferry-{epoch}.jsonl', '/var/log/kvferry-{epoch}.jsonl'],
  recordBytesMax: ['1GiB', 1_073_741_824],
  traceEndpoint: ['http://collector:4318', 'http://collector:4318'],
  traceRatio: ['0.25', 0.25],
  allowFaults: ['true', true],
};

describe.each(configFields)('$name', ({ name, env, flag }) => {
  const [text, value] = samples[name];

  test('has a valid default', () => {
    expect(entry(name, {}).source).toBe('default');
  });

  test('comes from the file, the environment or a flag, the last one wins', () => {
    const path = file({ [name]: text });
    expect(entry(name, { file: path })).toEqual({ value, source: `file ${path}` });
    const bad = file({ [name]: 'overridden' });
    expect(entry(name, { file: bad, env: { [env]: text } })).toEqual({ value, source: `env ${env}` });
    expect(entry(name, { file: bad, env: { [env]: 'overridden' }, flags: { [name]: text } })).toEqual({
      value,
      source: `flag ${flag}`,
    });
  });

  test('takes an empty variable for none', () => {
    expect(entry(name, { env: { [env]: '' } }).source).toBe('default');
  });
});

test('derives the names of flags and variables', () => {
  expect(configFields.find(({ name }) => name === 'pageBytes')).toMatchObject({
    env: 'KVFERRY_PAGE_BYTES',
    flag: '--page-bytes',
  });
});

test('takes numbers in the file', () => {
  const path = file({ pageBytes: 65_536, heartbeatMs: 200, arenaPages: 16 });
  const { values } = resolveAgentConfig({ flags: {}, env: {}, file: path });
  expect([values.pageBytes, values.heartbeatMs, values.arenaPages]).toEqual([65_536, 200, 16]);
});

test('names the agent after its host and role', () => {
  expect(String(entry('agentId', { flags: { role: 'prefill' } }).value)).toMatch(/^[A-Za-z0-9_-]+-prefill$/);
});

test("segments: by default below /dev/shm and the arena's directory", () => {
  const of = (flags: Record<string, string>) => {
    const { segmentDirectory, segmentOwner } = resolveAgentConfig({ flags, env: {} }).values;
    return [segmentDirectory, segmentOwner];
  };
  expect(of({})).toEqual([['/dev/shm'], []]);
  expect(of({ arenaDirectory: '/dev/hugepages' })).toEqual([['/dev/shm', '/dev/hugepages'], []]);
  expect(of({ arenaDirectory: '/dev/hugepages', segmentDirectory: '/dev/shm/team-a' })).toEqual([
    ['/dev/shm/team-a'],
    [],
  ]);
});

test.each([
  ['segmentDirectory', 'dev/shm'],
  ['segmentDirectory', ' '],
  ['segmentDirectory', '/dev/shm,'],
  ['segmentOwner', 'root'],
  ['segmentOwner', '-1'],
  ['segmentOwner', '4294967295'],
])('%s %j → refused', (name, value) => {
  expect(() => resolveAgentConfig({ flags: { [name]: value }, env: {} })).toThrow(
    expect.objectContaining({ code: 'invalid_configuration', field: name }),
  );
});

test('{hostname} in a name and an address → the name of the host', () => {
  const name = hostname().replaceAll(/[^A-Za-z0-9_-]/g, '-');
  const flags = { agentId: 'decode-{hostname}', bindAddress: '{hostname}' };
  const { values } = resolveAgentConfig({ flags, env: {} });
  expect([values.agentId, values.bindAddress]).toEqual([`decode-${name}`, hostname()]);
});

test('knows what auto means', () => {
  expect(entry('provider', {}).value).toEqual(['same-host', 'verbs', 'efa', 'tcp']);
});

describe('refuses', () => {
  test.each<[ConfigName, string]>([
    ['role', 'router'],
    ['agentId', 'two words'],
    ['agentId', 'a.b'],
    ['agentId', 'decode-{host}'],
    ['agentId', 'x'.repeat(65)],
    ['provider', 'carrier-pigeon'],
    ['provider', 'tcp,tcp'],
    ['provider', 'memory'],
    ['provider', 'auto,tcp'],
    ['bindAddress', '0.0.0.0'],
    ['bindAddress', '::'],
    ['bindAddress', '[::]'],
    ['bindAddress', '0:0:0:0:0:0:0:0'],
    ['inspectAddress', 'localhost'],
    ['metricsAddress', 'localhost'],
    ['pageBytes', '3MB'],
    ['pageBytes', '1KiB'],
    ['pageBytes', '2GiB'],
    ['pageBytes', '4096.5'],
    ['arenaPages', '0'],
    ['arenaPages', '-1'],
    ['arenaPages', '1e3'],
    ['arenaPages', '64KiB'],
    ['heartbeatMs', '5ms'],
    ['heartbeatMs', '2 minutes'],
    ['leaseMs', 'forever'],
    ['logLevel', 'loud'],
    ['traceRatio', '1.1'],
    ['traceRatio', '-1'],
    ['traceRatio', '1.0.0'],
    ['allowFaults', 'yes'],
  ])('%s %s, whatever the source', (name, text) => {
    const [field] = configFields.filter((each) => each.name === name);
    const { env, flag, range } = field as (typeof configFields)[number];
    const path = file({ [name]: text });
    for (const [source, sources] of [
      [`flag ${flag}`, { flags: { [name]: text } }],
      [`env ${env}`, { env: { [env]: text } }],
      [`file ${path}`, { file: path }],
    ] as const) {
      expect(() => entry(name, sources)).toThrow(
        expect.objectContaining({
          code: 'invalid_configuration',
          field: name,
          message: `${name} (${source}): ${JSON.stringify(text)} is not valid; it must be ${range}`,
        }),
      );
    }
  });

  test.each<[string, unknown, string, string]>([
    ['a number out of range', { arenaPages: 0 }, 'arenaPages', 'arenaPages'],
    ['a fraction', { arenaPages: 1.5 }, 'arenaPages', 'arenaPages'],
    ['a wrong type', { agentId: 7 }, 'agentId', 'agentId'],
    ['null', { role: null }, 'role', 'role'],
    ['an unknown key', { pageSize: 1 }, 'pageSize', 'has an unknown key "pageSize"'],
    ['a key of every object', { constructor: 1 }, 'constructor', 'has an unknown key "constructor"'],
    ['a list', [], 'config', 'is not a JSON object'],
    ['no JSON', '{', 'config', 'is not JSON'],
  ])('%s in the file is refused', (_, content, field, message) => {
    expect(() => resolveAgentConfig({ flags: {}, env: {}, file: file(content) })).toThrow(
      expect.objectContaining({ code: 'invalid_configuration', field, message: expect.stringContaining(message) }),
    );
  });

  test.each(['collector:4318', 'grpc://collector:4317', 'http://ann:s3cret@collector'])(
    'traceEndpoint %s, without showing it',
    (url) => {
      expect(() => entry('traceEndpoint', { flags: { traceEndpoint: url } })).toThrow(
        expect.objectContaining({
          code: 'invalid_configuration',
          message:
            'traceEndpoint (flag --trace-endpoint): the value is not valid; it must be a URL such as http://host:4318, without credentials; empty: no traces',
        }),
      );
    },
  );

  test('a file that is not there', () => {
    expect(() => resolveAgentConfig({ flags: {}, env: {}, file: join(directory, 'none.json') })).toThrow(
      expect.objectContaining({ code: 'invalid_configuration', message: expect.stringContaining('cannot be read') }),
    );
  });
});

describe('encryption is required', () => {
  const resolved = (provider: string) =>
    resolveAgentConfig({ flags: { provider }, env: { KVFERRY_TCP_ENCRYPTION: 'required' } }).values.provider;

  test.each(['verbs', 'libfabric-tcp,net', 'efa,verbs'])('only %s → refused, with both settings', (provider) => {
    expect(() => resolved(provider)).toThrow(
      expect.objectContaining({
        code: 'invalid_configuration',
        field: 'provider',
        message:
          `provider (flag --provider): ${provider} cannot encrypt, and tcpEncryption (env KVFERRY_TCP_ENCRYPTION) ` +
          'is required; add tcp to --provider, or set --tcp-encryption off',
      }),
    );
  });

  test.each(['auto', 'tcp', 'same-host', 'verbs,tcp', 'verbs,same-host'])(
    '%s has a provider left → accepted',
    (provider) => {
      expect(resolved(provider).join(',')).toBe(provider === 'auto' ? 'same-host,verbs,efa,tcp' : provider);
    },
  );
});

test('ignores variables that are not ours', () => {
  expect(() => resolveAgentConfig({ flags: {}, env: { KVFERRY_SERVICE_HOST: '10.0.0.1' } })).not.toThrow();
});

describe('credentials', () => {
  test.each([
    ['nats://host:4222', 'nats://host:4222'],
    ['nats://ann:pass@host:4222', 'nats://***@host:4222'],
    ['t0ken@host', '***@host'],
    ['nats://a:b@one,nats://two,c:d@three', 'nats://***@one,nats://two,***@three'],
    ['nats://a:p@ss@host', 'nats://***@host'],
    ['nats://a:p/ss@host', 'nats://***@host'],
  ])('are taken out of %s', (url, redacted) => expect(redactCredentials(url)).toBe(redacted));

  test('are used and not shown', () => {
    const { values, entries } = resolveAgentConfig({ flags: { natsUrl: 'nats://ann:pass@host' }, env: {} });
    expect(values.natsUrl).toBe('nats://ann:pass@host');
    expect(JSON.stringify(entries)).not.toContain('pass@');
  });
});

test('becomes the options of an agent', () => {
  const flags = Object.fromEntries(Object.entries(samples).map(([name, [text]]) => [name, text]));
  expect(toAgentOptions(resolveAgentConfig({ flags, env: {} }).values)).toEqual({
    agent: 'decode-7',
    role: 'decode',
    providers: ['verbs', 'tcp'],
    encryption: 'required',
    arena: {
      directory: '/dev/hugepages',
      pages: 64,
      pageBytes: 16_777_216,
      device: 'GPU-5a4b3c2d-0011-2233-4455-66778899aabb',
    },
    staging: { directory: '/dev/hugepages', pages: 8, pageBytes: 16_777_216 },
    heartbeatMs: 250,
    connectTimeoutMs: 3000,
    attemptTimeoutMs: 500,
    inquireIntervalMs: 700,
    writeDrainTimeoutMs: 4000,
    shutdownTimeoutMs: 0,
    leaseMs: 30_000,
    retainedMax: 16,
    sweepIntervalMs: 100,
    tombstoneMs: 60_000,
    tombstonesMax: 1000,
    requestsMax: 100,
    segmentsMax: 300,
    tenantShares: { 'team-b': 'team-a', 'team-c': 'team-a' },
    tenantRequestsMax: 10,
    tenantPagesMax: 32,
    tenantSegmentsMax: 4,
    tenantBytesPerSecond: 2 ** 31,
    sessionsMax: 16,
    journalEntries: 1000,
    auditIntervalMs: 250,
    faultsAllowed: true,
  });
});
