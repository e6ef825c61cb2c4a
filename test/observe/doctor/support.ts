/** A healthy machine, fabric, NATS server and agents. Each test breaks the part that it is about. */
import { resolveAgentConfig } from '../../../src/config/agent-config.js';
import {
  type AgentFacts,
  type Examination,
  type FabricFacts,
  inUse,
  type NatsFacts,
} from '../../../src/observe/doctor/examination.js';
import type { Finding } from '../../../src/observe/doctor/finding.js';
import type { FileSystem, NetworkAddress, System } from '../../../src/observe/doctor/system.js';
import type { DescribeReply, PeerRow, StatusReply } from '../../../src/protocol/operations.js';

export const GIB = 1024 ** 3;
export const MIB = 1024 ** 2;

export interface Machine {
  /** Content of files by path. A path that ends in `/` exists and has no content. */
  readonly files?: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  /** Paths that this process may not use. */
  readonly refused?: readonly string[];
  readonly fileSystems?: Readonly<Record<string, FileSystem>>;
  readonly addresses?: readonly NetworkAddress[];
  readonly hosts?: Readonly<Record<string, readonly string[]>>;
  /** Ports at which other programs listen. */
  readonly portsTaken?: readonly number[];
  readonly processors?: number;
  readonly processorsUsable?: number;
  readonly nodeVersion?: string;
}

const healthyFiles: Readonly<Record<string, string>> = {
  '/proc/self/limits': limits({ memlock: 'unlimited', files: '1048576' }),
  '/proc/self/status': 'Name:\tnode\nCapEff:\t0000000000000000',
  '/proc/self/cgroup': '0::/',
  '/proc/meminfo':
    'MemTotal:       65536000 kB\nMemAvailable:   33554432 kB\nHugePages_Total:       0\nHugepagesize:    2048 kB',
  '/sys/kernel/mm/transparent_hugepage/shmem_enabled': 'always within_size [advise] never deny force',
  '/sys/devices/system/clocksource/clocksource0/current_clocksource': 'tsc',
  '/sys/devices/system/clocksource/clocksource0/available_clocksource': 'tsc hpet acpi_pm',
  '/sys/class/net/eth0/mtu': '9000',
  '/sys/class/net/eth0/speed': '25000',
  '/sys/class/net/eth0/operstate': 'up',
  '/sys/class/net/lo/mtu': '65536',
  '/proc/sys/net/ipv4/tcp_rmem': '4096\t131072\t16777216',
  '/proc/sys/net/ipv4/tcp_wmem': '4096\t65536\t16777216',
  '/proc/sys/net/ipv4/tcp_congestion_control': 'cubic',
  '/tmp/': '',
};

export function limits({ memlock, files }: { readonly memlock: string; readonly files: string }): string {
  return [
    'Limit                     Soft Limit           Hard Limit           Units     ',
    `Max open files            ${files.padEnd(20)} unlimited            files     `,
    `Max locked memory         ${memlock.padEnd(20)} unlimited            bytes     `,
  ].join('\n');
}

export function machine(spoilt: Machine = {}): System {
  const files: Record<string, string> = { ...healthyFiles, ...spoilt.files };
  const links = spoilt.links ?? {};
  const fileSystems = spoilt.fileSystems ?? { '/dev/shm': { totalBytes: 16 * GIB, freeBytes: 8 * GIB, isTmpfs: true } };
  const paths = [...Object.keys(files), ...Object.keys(links), ...Object.keys(fileSystems).map((path) => `${path}/`)];
  const exists = (path: string) => paths.some((each) => each === path || each.startsWith(`${path}/`));
  return {
    nodeVersion: spoilt.nodeVersion ?? 'v20.19.0',
    processors: spoilt.processors ?? 8,
    processorsUsable: spoilt.processorsUsable ?? spoilt.processors ?? 8,
    addresses: spoilt.addresses ?? [
      { interface: 'lo', address: '127.0.0.1', isInternal: true },
      { interface: 'eth0', address: '10.0.0.1', isInternal: false },
    ],
    read: (path) => files[path]?.trim(),
    list: (path) => {
      const below = paths.filter((each) => each.startsWith(`${path}/`)).map((each) => each.slice(path.length + 1));
      return [...new Set(below.map((rest) => rest.split('/')[0] ?? ''))].filter((name) => name !== '').sort();
    },
    linked: (path) => links[path],
    exists,
    mayUse: (path) => exists(path) && !(spoilt.refused ?? []).includes(path),
    fileSystem: (path) => fileSystems[path],
    resolve: async (host) => spoilt.hosts?.[host] ?? (/^[\d.]+$/.test(host) ? [host] : []),
    whyNotListen: async (_host, port) => (spoilt.portsTaken?.includes(port) ? 'EADDRINUSE' : undefined),
  };
}

export const fabric: FabricFacts = {
  addon: true,
  libfabric: '1.17',
  providers: ['same-host', 'tcp', 'net'],
  unavailable: [
    { provider: 'verbs', reason: 'libfabric 1.17: verbs at 10.0.0.1: No data available' },
    { provider: 'efa', reason: 'libfabric 1.17: efa: No data available' },
  ],
  offers: [
    { provider: 'tcp', domains: ['eth0', 'lo'] },
    { provider: 'tcp;ofi_rxm', domains: ['eth0', 'lo'] },
    { provider: 'psm2', domains: [] },
  ],
  cuda: { devices: [], reason: 'no CUDA driver: libcuda.so.1: cannot open shared object file' },
};

export const nats: NatsFacts = {
  server: 'n1',
  version: '2.12.0',
  payloadBytesMax: MIB,
  roundTripsMs: [0.2, 0.1, 0.3],
  jetStream: undefined,
  isLoopback: false,
  asksForUser: true,
  isEncrypted: true,
  readsInboxes: false,
};

export interface Spoilt {
  readonly machine?: Machine;
  readonly fabric?: Partial<FabricFacts>;
  readonly nats?: Examination['nats'];
  readonly agents?: readonly AgentFacts[] | 'unknown';
  /** Settings of the agent, as flags. */
  readonly flags?: Readonly<Record<string, string>>;
}

/** Settings of a decode agent that would start on this host, with 128 pages of 3 MiB. */
export function examination(spoilt: Spoilt = {}): Examination {
  const flags = { role: 'decode', agentId: 'd1', bindAddress: '10.0.0.1', ...spoilt.flags };
  return {
    system: machine(spoilt.machine),
    version: '0.1.0',
    ...inUse(resolveAgentConfig({ flags, env: {} }).values),
    fabric: { ...fabric, ...spoilt.fabric },
    nats: spoilt.nats ?? nats,
    cluster: spoilt.agents === 'unknown' ? undefined : { agents: spoilt.agents ?? [decode(), prefill()] },
  };
}

const DECODE_EPOCH = '00000000000000dd';
const PREFILL_EPOCH = '00000000000000aa';

export interface SpoiltAgent {
  readonly description?: Partial<DescribeReply>;
  readonly before?: Partial<StatusReply>;
  /** With `silent` the agent no longer answers. */
  readonly status?: Partial<StatusReply> | 'silent';
}

export function decode(spoilt: SpoiltAgent = {}): AgentFacts {
  const arena = { path: '/dev/shm/kvferry-d1-arena', epoch: DECODE_EPOCH, pageBytes: 3 * MIB, pages: 128 };
  const pages = { total: 128, free: 128, writing: 0, ready: 0, quarantined: 0, reserved: 0, retained: 0 };
  return agent('d1', DECODE_EPOCH, 'decode', { ...spoilt, description: { arena, ...spoilt.description } }, { pages });
}

export function prefill(spoilt: SpoiltAgent = {}): AgentFacts {
  return agent('p1', PREFILL_EPOCH, 'prefill', spoilt, { peers: [peer()] });
}

export function peer(spoilt: Partial<PeerRow> = {}): PeerRow {
  return {
    agent: 'd1',
    epoch: DECODE_EPOCH,
    side: 'receiver',
    state: 'connected and alive',
    provider: 'same-host',
    detail: 'same host, copied by the receiver',
    fallback: [],
    ...spoilt,
  };
}

function agent(
  name: string,
  epoch: string,
  role: 'prefill' | 'decode',
  spoilt: SpoiltAgent,
  more: Partial<StatusReply>,
): AgentFacts {
  const status: StatusReply = {
    v: 1,
    ok: true,
    agent: name,
    epoch,
    role,
    state: 'running',
    uptimeMs: 60_000,
    queued: 0,
    segments: [],
    segmentsTotal: 0,
    sessions: [],
    sessionsTotal: 0,
    peers: [],
    peersTotal: 0,
    requests: [],
    requestsTotal: 0,
    counters: {},
    ...more,
  };
  return {
    description: {
      v: 1,
      ok: true,
      agent: name,
      epoch,
      role,
      state: 'running',
      version: '0.1.0',
      heartbeatMs: 1000,
      endpoints: [],
      unavailable: [],
      ...spoilt.description,
    },
    before: { ...status, ...spoilt.before },
    after: spoilt.status === 'silent' ? undefined : { ...status, ...spoilt.status },
    elapsedMs: 1000,
  };
}

/** Findings in short form: severity, finding, and the remedy if there is one. */
export function brief(findings: readonly Finding[]): (readonly string[])[] {
  return findings.map(({ severity, finding, remedy }) =>
    remedy === undefined ? [severity, finding] : [severity, finding, remedy],
  );
}
