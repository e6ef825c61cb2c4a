/**
 * The configuration of an agent. A value comes from the first of these that has one: a flag, an environment variable, the
 * file of `--config` (one JSON object), the default. Each value knows its source. Names are derived: `pageBytes` is
 * `--page-bytes` and `KVFERRY_PAGE_BYTES`.
 *
 * An unknown key in the file is refused. An unknown `KVFERRY_…` variable is not: Kubernetes sets such variables for every
 * service named kvferry. An empty variable counts as not set, because Compose passes a missing variable as an empty one.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { AgentOptions } from '../actors/env/agent-options.js';
import { isInClear } from '../ports/encryption.js';
import { isWildcard } from '../ports/wildcard.js';
import { KvferryError } from '../protocol/errors.js';
import { agentName, cudaUuid, type RealProvider, type Role, realProviders, role } from '../protocol/fields.js';
import { HEARTBEAT_MS_MAX, HEARTBEAT_MS_MIN, NAME_BYTES_MAX, TIMEOUT_MS_MAX } from '../protocol/limits.js';
import {
  anyOrNumber,
  autoOrCount,
  choice,
  count,
  duration,
  listenAt,
  onOff,
  ports,
  size,
  text,
} from './field-kinds.js';
import { withHostName, withHostNameOfAgent } from './host-name.js';
import { natsFields } from './nats-fields.js';
import { segmentFields } from './segment-fields.js';
import { tenantFields, tenantOptions } from './tenant-fields.js';

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

/** More nodes than a machine has. */
const NUMA_NODE_MAX = 1023;

const SOCKET_USERS = ['own', 'any'] as const;
/** The providers of `auto`. A copy on one host comes before a device, and a device before TCP. */
export const AUTO_PROVIDERS: readonly RealProvider[] = ['same-host', 'verbs', 'efa', 'tcp'];

const TCP_STREAMS_MAX = 16;

/** Settings on which the defaults of later ones depend. */
interface Earlier {
  readonly role: Role;
  readonly arenaDirectory: string;
}

interface Field<S extends z.ZodType = z.ZodType> {
  readonly schema: S;
  /** Default, in the form of a value in the file. */
  readonly fallback: string | number | ((earlier: Earlier) => string);
  /** What help texts show of a default that depends on other settings. */
  readonly shownFallback?: string;
  readonly explanation: string;
  readonly range: string;
  /** The flag needs no value. */
  readonly isSwitch?: boolean;
  show(value: z.infer<S>): string;
}

const fields = {
  role: choice(role, 'both', 'Role of the agent: it sends (prefill), receives (decode), or does both.'),
  agentId: {
    schema: z.string().transform(withHostNameOfAgent).pipe(agentName),
    fallback: ({ role: own }: { readonly role: Role }) => defaultAgentId(own),
    shownFallback: '<host>-<role>',
    explanation: 'Stable name of the agent. Each process needs its own. {hostname} becomes the name of the host.',
    range: `letters, digits, _ and -, up to ${NAME_BYTES_MAX}`,
    show: String,
  },
  ...natsFields,
  provider: {
    schema: z.string().transform(parseProviders),
    fallback: 'auto',
    explanation: 'Providers that move the bytes, in order of preference. Two agents use the first one that both offer.',
    range: `auto (${AUTO_PROVIDERS.join(',')}), or a list of ${realProviders.options.join(',')}`,
    show: (value: readonly RealProvider[]) => value.join(','),
  },
  bindAddress: {
    schema: z
      .string()
      .min(1)
      .refine((address) => !isWildcard(address))
      .transform(withHostName),
    fallback: '127.0.0.1',
    explanation:
      'Address at which agents on other hosts reach this agent (tcp, libfabric-tcp, net, verbs). {hostname} becomes the name of the host.',
    range: 'one address or host name, not a wildcard',
    show: String,
  },
  tcpPort: ports(
    'Port at which the provider tcp listens, or a range from which it takes the first free one (decode, both).',
  ),
  tcpStreams: autoOrCount(
    TCP_STREAMS_MAX,
    'TCP connections that tcp makes to each receiver.',
    '1 with one or two processors, otherwise 4',
  ),
  tcpEncryption: choice(
    z.enum(['off', 'required']),
    'off',
    'Whether bytes that leave the host are encrypted. With required, the agent uses same-host and tcp alone, and only agents whose tcp encrypts.',
  ),
  socketDirectory: text(
    '/tmp',
    'Directory of the Unix sockets over which agents on one host connect.',
    'a directory that all of them can use',
  ),
  socketUsers: choice(
    z.enum(SOCKET_USERS),
    'own',
    'Users whose agents may connect over the Unix sockets: own (the same user, and root) or any.',
  ),
  windowBytes: size(4096, 1024 ** 3, '16MiB', 'Bytes that a connection may have posted and not yet delivered.'),
  sliceBytes: size(4096, 1024 ** 3, '4MiB', 'Largest piece in which a write is posted.'),
  pageBytes: size(4096, 1024 ** 3, '3MiB', 'Size of a page. A chunk of KV cache takes one page and may be smaller.'),
  arenaPages: count(1, 1_048_576, 128, 'Number of pages in the arena that other agents write into (decode, both).'),
  arenaDirectory: text('/dev/shm', 'Directory for the arena and the staging memory.', 'a directory on a tmpfs'),
  arenaDevice: {
    schema: z.literal('host').or(cudaUuid),
    fallback: 'host',
    explanation: 'CUDA device that has the arena. Then only senders on the same host can write into it (docs/gpu.md).',
    range: 'host, or a UUID as nvidia-smi -L shows it',
    show: String,
  },
  numaNode: anyOrNumber(
    NUMA_NODE_MAX,
    'NUMA node that the arena and the staging memory are taken from: that of the network card.',
  ),
  stagingPages: count(
    0,
    1_048_576,
    0,
    'Pages that the agent lends to engines without shared memory of their own (prefill, both).',
  ),
  requestsMax: count(1, 100_000, 4096, 'Most requests in progress at once, on each side.'),
  ...segmentFields,
  sessionsMax: count(1, 4096, 256, 'Most sessions of engines that are open at once (prefill, both).'),
  ...tenantFields,
  leaseMs: duration(
    100,
    3_600_000,
    '60s',
    'Time that a decode engine may hold pages before it must acquire them again.',
  ),
  retainedPages: count(
    0,
    1_048_576,
    0,
    'Ready pages that stay as cache after their last lease. Later requests use them; new requests evict them (decode, both).',
  ),
  heartbeatMs: duration(
    HEARTBEAT_MS_MIN,
    HEARTBEAT_MS_MAX,
    '1s',
    'Heartbeat interval. Peers declare the agent dead after 2.75 intervals without one.',
  ),
  connectTimeoutMs: duration(
    10,
    TIMEOUT_MS_MAX,
    '10s',
    'Time limit for a connection to another agent. The providers that are tried share it.',
  ),
  attemptTimeoutMs: duration(
    10,
    TIMEOUT_MS_MAX,
    '2s',
    'Resend a message to another agent if it is not answered within this time.',
  ),
  inquireIntervalMs: duration(
    10,
    TIMEOUT_MS_MAX,
    '2s',
    'How often a sender asks the receiver how a request ended, if no notice has come.',
  ),
  writeDrainTimeoutMs: duration(10, TIMEOUT_MS_MAX, '10s', 'Time limit for a stopped write to drain.'),
  shutdownTimeoutMs: duration(0, TIMEOUT_MS_MAX, '20s', 'Time that requests in progress get to end after SIGTERM.'),
  sweepIntervalMs: duration(10, 60_000, '1s', 'How often the agent removes expired leases and tombstones.'),
  tombstoneMs: duration(1000, 86_400_000, '600s', 'How long an agent remembers how a request ended.'),
  tombstonesMax: count(1, 10_000_000, 100_000, 'Most ended requests that an agent remembers.'),
  journalEntries: count(
    0,
    1_000_000,
    16_384,
    'Entries in the journal of recent events, for kvferry inspect and explain. An entry takes about 300 bytes.',
  ),
  inspectAddress: listenAt('Address at which the agent serves the inspector page of the whole cluster.'),
  auditIntervalMs: duration(
    0,
    60_000,
    '0s',
    'How often the agent publishes audit events about its chunks; 0: never (decode, both).',
  ),
  metricsAddress: listenAt('Address of the Prometheus metrics, /healthz and /readyz.'),
  logLevel: choice(z.enum(logLevels), 'info', 'Lowest level of the log lines that are written.'),
  record: {
    schema: z.string(),
    fallback: '',
    explanation:
      'File to record all input in, for kvferry replay. {epoch} in the name becomes the epoch of the process.',
    range: 'a file that does not exist yet; empty: no recording',
    show: String,
  },
  recordBytesMax: size(64 * 1024, 1024 ** 4, '256MiB', 'Largest recording. Recording ends at this size.'),
  traceEndpoint: {
    schema: z.literal('').or(z.url({ protocol: /^https?$/ }).refine((url) => !url.includes('@'))),
    fallback: '',
    explanation: 'OpenTelemetry collector (OTLP over HTTP) that receives the traces of requests.',
    range: 'a URL such as http://host:4318, without credentials; empty: no traces',
    show: String,
  },
  traceRatio: {
    schema: z
      .union([
        z.number(),
        z
          .string()
          .regex(/^[\d.]+$/)
          .transform(Number),
      ])
      .pipe(z.number().min(0).max(1)),
    fallback: 1,
    explanation: 'Fraction of traces started here that are sampled. Traces started elsewhere keep their own decision.',
    range: '0 to 1',
    show: String,
  },
  allowFaults: onOff('For demonstrations only: every NATS client may kill, stop or cut off the agent (kvferry fault).'),
} as const satisfies Record<string, Field>;

export type ConfigName = keyof typeof fields;
/** Fields whose values may contain credentials. */
const withCredentials: ReadonlySet<ConfigName> = new Set(['natsUrl', 'traceEndpoint']);
export type AgentConfig = { readonly [Name in ConfigName]: z.infer<(typeof fields)[Name]['schema']> };

/** One value with its explanation, without credentials. */
export interface ConfigEntry {
  readonly name: ConfigName;
  readonly value: string;
  /** `default`, `env NAME`, `file PATH` or `flag --name`. */
  readonly source: string;
  readonly explanation: string;
  readonly range: string;
  readonly env: string;
  readonly flag: string;
}

export interface ResolvedConfig {
  readonly values: AgentConfig;
  readonly entries: readonly ConfigEntry[];
}

export interface ConfigSources {
  /** By name of the field, as text. */
  readonly flags: Readonly<Partial<Record<string, string>>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Path of the JSON file. */
  readonly file?: string | undefined;
}

/** Every setting, for help texts. */
export const configFields = (Object.keys(fields) as ConfigName[]).map((name) => {
  const { explanation, range, fallback, shownFallback, isSwitch = false }: Field = fields[name];
  const shown = shownFallback ?? `${fallback}`;
  return { name, env: envOf(name), flag: flagOf(name), explanation, range, fallback: shown, isSwitch };
});

/** Throws `invalid_configuration`, which names the field and where its value came from. */
export function resolveAgentConfig(sources: ConfigSources): ResolvedConfig {
  const file = sources.file === undefined ? {} : readConfigFile(sources.file);
  const values: Record<string, unknown> = {};
  const entries = configFields.map(({ name, env, flag, explanation, range }): ConfigEntry => {
    const field: Field = fields[name];
    const fallback = field.fallback;
    const candidates: readonly (readonly [source: string, raw: unknown])[] = [
      [`flag ${flag}`, sources.flags[name]],
      [`env ${env}`, sources.env[env] === '' ? undefined : sources.env[env]],
      [`file ${sources.file}`, file[name]],
      ['default', typeof fallback === 'function' ? fallback(values as unknown as Earlier) : fallback],
    ];
    const [source, raw] = candidates.find(([, value]) => value !== undefined) ?? ['default', undefined];
    const result = field.schema.safeParse(raw);
    if (!result.success) {
      const shown = withCredentials.has(name) ? 'the value' : JSON.stringify(raw);
      throw new KvferryError(
        'invalid_configuration',
        `${name} (${source}): ${shown} is not valid; it must be ${range}`,
        {
          field: name,
          cause: result.error,
        },
      );
    }
    values[name] = result.data;
    return { name, value: field.show(result.data), source, explanation, range, env, flag };
  });
  checkEncryption(values as AgentConfig, entries);
  return { values: values as AgentConfig, entries };
}

/** Throws `invalid_configuration` when no provider is left for an agent that requires encryption. */
function checkEncryption({ provider, tcpEncryption }: AgentConfig, entries: readonly ConfigEntry[]): void {
  if (tcpEncryption === 'off' || !provider.every(isInClear)) return;
  const sourceOf = (name: ConfigName) => entries.find((entry) => entry.name === name)?.source;
  throw new KvferryError(
    'invalid_configuration',
    `provider (${sourceOf('provider')}): ${provider.join(',')} cannot encrypt, and tcpEncryption ` +
      `(${sourceOf('tcpEncryption')}) is required; add tcp to --provider, or set --tcp-encryption off`,
    { field: 'provider' },
  );
}

export function toAgentOptions(config: AgentConfig): AgentOptions {
  const {
    agentId,
    role,
    provider,
    arenaDirectory: directory,
    pageBytes,
    arenaPages,
    stagingPages,
    arenaDevice: device,
  } = config;
  return {
    agent: agentId,
    role,
    providers: provider,
    encryption: config.tcpEncryption,
    arena: { directory, pages: arenaPages, pageBytes, ...(device === 'host' ? {} : { device }) },
    staging: { directory, pages: stagingPages, pageBytes },
    ...tenantOptions(config),
    heartbeatMs: config.heartbeatMs,
    connectTimeoutMs: config.connectTimeoutMs,
    attemptTimeoutMs: config.attemptTimeoutMs,
    inquireIntervalMs: config.inquireIntervalMs,
    writeDrainTimeoutMs: config.writeDrainTimeoutMs,
    shutdownTimeoutMs: config.shutdownTimeoutMs,
    leaseMs: config.leaseMs,
    retainedMax: config.retainedPages,
    sweepIntervalMs: config.sweepIntervalMs,
    tombstoneMs: config.tombstoneMs,
    tombstonesMax: config.tombstonesMax,
    requestsMax: config.requestsMax,
    segmentsMax: config.segmentsMax,
    sessionsMax: config.sessionsMax,
    journalEntries: config.journalEntries,
    auditIntervalMs: config.auditIntervalMs,
    faultsAllowed: config.allowFaults,
  };
}

function readConfigFile(path: string): Record<string, unknown> {
  const refuse = (reason: string, cause?: unknown, field = 'config') =>
    new KvferryError('invalid_configuration', `file ${path} ${reason}`, { field, cause });
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw refuse(cause instanceof SyntaxError ? 'is not JSON' : 'cannot be read', cause);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw refuse('is not a JSON object');
  const unknown = Object.keys(parsed).find((key) => !Object.hasOwn(fields, key));
  if (unknown !== undefined) throw refuse(`has an unknown key ${JSON.stringify(unknown)}`, undefined, unknown);
  return parsed as Record<string, unknown>;
}

function words(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function flagOf(name: string): string {
  return `--${words(name)}`;
}

function envOf(name: string): string {
  return `KVFERRY_${words(name).replaceAll('-', '_').toUpperCase()}`;
}

function defaultAgentId(role: Role): string {
  return withHostNameOfAgent(`{hostname}-${role}`).slice(-NAME_BYTES_MAX);
}

function parseProviders(value: string, context: z.RefinementCtx): readonly RealProvider[] {
  if (value === 'auto') return AUTO_PROVIDERS;
  const chosen = z.array(realProviders).safeParse(value.split(',').map((part) => part.trim()));
  if (chosen.success && new Set(chosen.data).size === chosen.data.length) return chosen.data;
  context.addIssue({ code: 'custom', message: 'not a list of providers' });
  return z.NEVER;
}
