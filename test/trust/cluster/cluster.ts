/** The cluster under attack: NATS with the permissions of `kvferry keys`, two prefill and two decode agents, and honest clients. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { natsEnvironment } from '../../../src/cli/nats-option.js';
import { connectClient } from '../../../src/client/connect-client.js';
import type { KvferryClient } from '../../../src/client/kvferry-client.js';
import { isUnanswered } from '../../../src/client/repeated.js';
import { ChildProcess } from '../../../src/processes/child-process.js';
import { patient } from '../../../src/processes/patience.js';
import type { Teardown } from '../../../src/processes/teardown.js';
import { poll } from '../../../src/processes/within.js';
import { isKvferryError, KvferryError } from '../../../src/protocol/errors.js';
import type { StatusReply } from '../../../src/protocol/operations.js';
import { ALL_TENANTS } from '../../../src/protocol/tenants.js';
import { DECODE_AGENTS, engineOf, PREFILL_AGENTS, routerOf, type Tenant, USERS } from '../users.js';
import { Deployment, PROGRAM, type Spoil } from './deployment.js';

export const PAGE_BYTES = 65_536;
const ARENA_PAGES = 64;
const STAGING_PAGES = 8;
/** Of one tenant at one agent. */
export const QUOTA = { requests: 16, pages: 32, segments: 4 } as const;

const LOOK_TIMEOUT_MS = 500;
const START_TIMEOUT_MS = 30_000;
const SETTLE_TIMEOUT_MS = 20_000;
const TOOL_TIMEOUT_MS = 30_000;

export class Cluster {
  readonly deployment: Deployment;
  /** Of shared memory: arenas, and the segments of engines. */
  readonly memory: string;
  readonly #work: string;
  readonly #teardown: Teardown;
  readonly #agents = new Map<string, ChildProcess>();
  readonly #clients = new Map<string, KvferryClient>();
  readonly #epochs = new Map<string, string>();
  /** Processes of before: their logs count. */
  readonly #gone: ChildProcess[] = [];

  private constructor(deployment: Deployment, work: string, memory: string, teardown: Teardown) {
    this.deployment = deployment;
    this.#work = work;
    this.memory = memory;
    this.#teardown = teardown;
  }

  static async start(spoil: Spoil | undefined, teardown: Teardown): Promise<Cluster> {
    const work = mkdtempSync(join(tmpdir(), 'kvferry-trust-'));
    teardown.defer(() => rmSync(work, { recursive: true, force: true }));
    const memory = mkdtempSync('/dev/shm/kvferry-trust-');
    teardown.defer(() => rmSync(memory, { recursive: true, force: true }));
    const deployment = await Deployment.start({ work, users: USERS, spoil }, teardown);
    const cluster = new Cluster(deployment, work, memory, teardown);
    for (const name of PREFILL_AGENTS) cluster.startAgent(name, 'prefill');
    for (const name of DECODE_AGENTS) cluster.startAgent(name, 'decode');
    for (const name of [...PREFILL_AGENTS, ...DECODE_AGENTS]) await cluster.#running(name);
    return cluster;
  }

  /** `user`: whose credentials it has. Default: its own. */
  startAgent(name: string, role: 'prefill' | 'decode', user = name): ChildProcess {
    const settings = [
      ...['--agent-id', name, '--role', role, '--provider', 'same-host,tcp'],
      ...['--page-bytes', `${PAGE_BYTES}`, '--arena-pages', `${ARENA_PAGES}`, '--staging-pages', `${STAGING_PAGES}`],
      ...['--arena-directory', this.memory, '--socket-directory', this.#work, '--shutdown-timeout-ms', '500'],
      ...['--tenant-requests-max', `${QUOTA.requests}`, '--tenant-pages-max', `${QUOTA.pages}`],
      ...['--tenant-segments-max', `${QUOTA.segments}`, '--audit-interval-ms', role === 'decode' ? '200ms' : '0'],
    ];
    const child = new ChildProcess({
      name: `agent ${name}`,
      command: process.execPath,
      args: [PROGRAM, 'agent', ...settings],
      env: { ...process.env, ...natsEnvironment(this.deployment.credentialsOf(user)) },
      channel: true,
    });
    this.#teardown.defer(() => child.abandon());
    if (user === name) this.#agents.set(name, child);
    return child;
  }

  /** The output of a command of kvferry that the user runs. */
  async tool(user: string, ...args: readonly string[]): Promise<string> {
    const child = new ChildProcess({
      name: `kvferry ${args[0]}`,
      command: process.execPath,
      args: [PROGRAM, ...args],
      env: { ...process.env, ...natsEnvironment(this.deployment.credentialsOf(user)) },
    });
    this.#teardown.defer(() => child.abandon());
    const ended = await poll(TOOL_TIMEOUT_MS, async () => (child.isRunning ? undefined : true));
    if (ended === undefined) throw new KvferryError('deadline_exceeded', `kvferry ${args[0]} of ${user} did not end`);
    await child.exited;
    return child.lines.join('\n');
  }

  /** A client with the credentials of the user, kept until the end. */
  async client(user: string, tenant?: Tenant): Promise<KvferryClient> {
    const known = this.#clients.get(user);
    if (known !== undefined) return known;
    const client = await connectClient({ ...this.deployment.credentialsOf(user), name: user, tenant });
    this.#teardown.defer(() => client.close());
    this.#clients.set(user, client);
    return client;
  }

  engine(agent: string, tenant: Tenant): Promise<KvferryClient> {
    return this.client(engineOf(agent, tenant), tenant);
  }

  router(tenant: Tenant): Promise<KvferryClient> {
    return this.client(routerOf(tenant), tenant);
  }

  /** Epoch of the process that ran when the cluster was started. */
  epochOf(agent: string): string {
    return this.#epochs.get(agent) ?? '';
  }

  /** Process id of an agent. */
  pidOf(agent: string): number {
    return this.#agents.get(agent)?.pid ?? 0;
  }

  /** What the operator sees of all tenants. */
  async status(agent: string): Promise<StatusReply> {
    return (await this.client('operator')).status(agent, {}, { tenant: ALL_TENANTS });
  }

  async counter(agent: string, name: string): Promise<number> {
    return (await this.status(agent)).counters[name] ?? 0;
  }

  /** Another process takes the name of an agent over, as in a rolling update. */
  async roll(name: string, role: 'prefill' | 'decode'): Promise<void> {
    const old = this.#agents.get(name) as ChildProcess;
    const stopped = old.stop();
    this.startAgent(name, role);
    await stopped;
    await this.#running(name);
    this.#gone.push(old);
  }

  /** What is not as it was when the cluster was started and idle. Waits until pages are free again. */
  async damage(): Promise<string[]> {
    const damages: string[] = [];
    for (const name of [...PREFILL_AGENTS, ...DECODE_AGENTS]) {
      let last: readonly string[] = ['no answer'];
      const whole = await poll(SETTLE_TIMEOUT_MS, async () => {
        last = await this.#differences(name);
        return last.length === 0 ? true : undefined;
      });
      if (whole === undefined) damages.push(...last.map((what) => `agent ${name}: ${what}`));
    }
    return damages;
  }

  /** A question that has no answer is asked again: an agent may give up the connection on which it is flooded. */
  async #differences(name: string): Promise<string[]> {
    try {
      return differences(await this.status(name), this.epochOf(name));
    } catch (error) {
      if (!isUnanswered(error)) throw error;
      return ['no answer'];
    }
  }

  /** Lines of the agents' logs about a refused subject. */
  agentViolations(): string[] {
    return [...this.#agents.values(), ...this.#gone].flatMap(({ name, lines }) =>
      lines.filter((line) => /permission|violation|subscription_refused/i.test(line)).map((line) => `${name}: ${line}`),
    );
  }

  async #running(name: string): Promise<void> {
    const operator = await this.client('operator');
    const child = this.#agents.get(name) as ChildProcess;
    const look = async () => {
      try {
        const { epoch, state } = await operator.describe(name, { timeoutMs: patient(LOOK_TIMEOUT_MS) });
        return state === 'running' ? epoch : undefined;
      } catch (error) {
        // It has not subscribed yet.
        if (isKvferryError(error)) return undefined;
        throw error;
      }
    };
    const epoch = await Promise.race([poll(START_TIMEOUT_MS, look), child.failure()]);
    if (epoch === undefined) throw new KvferryError('deadline_exceeded', `agent ${name} does not run`);
    this.#epochs.set(name, epoch);
  }
}

/** How an agent differs from one that is idle and whole. */
function differences(status: StatusReply, epoch: string): string[] {
  const { pages, staging, requestsTotal, counters } = status;
  return [
    status.epoch === epoch ? [] : `epoch ${status.epoch} instead of ${epoch}`,
    status.state === 'running' ? [] : `state ${status.state}`,
    pages === undefined || pages.free === pages.total ? [] : `pages ${JSON.stringify(pages)}`,
    staging === undefined || staging.free === staging.total ? [] : `staging pages ${JSON.stringify(staging)}`,
    requestsTotal === 0 ? [] : `${requestsTotal} requests in progress`,
    (counters['invariants_broken'] ?? 0) === 0 ? [] : 'an invariant is broken',
    (counters['actors_crashed'] ?? 0) === 0 ? [] : 'an actor crashed',
    (counters['errors_internal'] ?? 0) === 0 ? [] : 'an internal error',
  ].flat();
}
