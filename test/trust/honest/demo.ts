/** Every kind of transfer, and every tool, under the permissions of the deployment: NATS must refuse none of it. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { compute, consume } from '../../../src/cli/demo/engines.js';
import { fillPage } from '../../../src/cli/demo/pattern.js';
import { DecodeEngine } from '../../../src/client/decode-engine.js';
import { PrefillEngine } from '../../../src/client/prefill-engine.js';
import { RequestEnds } from '../../../src/client/request-ends.js';
import { SharedFile } from '../../../src/client/shared-file.js';
import type { Teardown } from '../../../src/processes/teardown.js';
import { within } from '../../../src/processes/within.js';
import type { TerminalEvent } from '../../../src/protocol/events.js';
import { type Cluster, PAGE_BYTES } from '../cluster/cluster.js';
import { PREFILL_AGENTS, TENANTS, type Tenant } from '../users.js';

const SLOTS = 16;
const TIMEOUT_MS = 20_000;
const SHORT_MS = 500;
const CHUNKS = 4;

/** What the demo came to: everything that was not as it must be. */
export interface DemoResult {
  readonly requests: number;
  readonly broken: readonly string[];
}

export async function runDemo(cluster: Cluster, teardown: Teardown): Promise<DemoResult> {
  let requests = 0;
  const broken: string[] = [];
  for (const tenant of TENANTS) {
    const demo = await TenantDemo.open(cluster, tenant, teardown);
    await demo.run();
    requests += demo.requests;
    broken.push(...demo.broken);
  }
  await cluster.roll('decode-1', 'decode');
  await cluster.roll('prefill-1', 'prefill');
  const again = await TenantDemo.open(cluster, 'default', teardown, 'again');
  await again.send('prefill-1', 'decode-1', again.keys('after-roll'));
  await again.close();
  broken.push(...again.broken, ...(await tools(cluster)));
  return { requests: requests + again.requests, broken };
}

class TenantDemo {
  requests = 0;
  readonly broken: string[] = [];
  readonly #cluster: Cluster;
  readonly #tenant: Tenant;
  readonly #run: string;
  readonly #ends: RequestEnds;
  readonly #engines: ReadonlyMap<string, PrefillEngine>;

  private constructor(
    cluster: Cluster,
    tenant: Tenant,
    run: string,
    ends: RequestEnds,
    engines: ReadonlyMap<string, PrefillEngine>,
  ) {
    this.#cluster = cluster;
    this.#tenant = tenant;
    this.#run = run;
    this.#ends = ends;
    this.#engines = engines;
  }

  static async open(cluster: Cluster, tenant: Tenant, teardown: Teardown, run = 'demo'): Promise<TenantDemo> {
    const router = await cluster.router(tenant);
    const ends = new RequestEnds(router);
    await router.flush();
    const engines = new Map<string, PrefillEngine>();
    for (const agent of PREFILL_AGENTS) {
      const segment = `${run}-${agent}-${tenant}`;
      const memory = await SharedFile.create(join(cluster.memory, segment), SLOTS * PAGE_BYTES);
      teardown.defer(() => memory.close());
      const client = await cluster.engine(agent, tenant);
      engines.set(agent, await PrefillEngine.open({ client, agent, segment, memory, slotBytes: PAGE_BYTES }));
    }
    return new TenantDemo(cluster, tenant, run, ends, engines);
  }

  async run(): Promise<void> {
    const shared = this.keys('shared');
    await this.send('prefill-0', 'decode-0', shared);
    await this.send('prefill-1', 'decode-0', [...shared, ...this.keys('more')]);
    await this.send('prefill-0', 'decode-1', this.keys('other'));
    await this.#offered();
    await this.#overRanks();
    await this.#staged();
    await this.#cancelled();
    await this.#expired();
    await this.#routerLooks(shared);
    await this.close();
  }

  async close(): Promise<void> {
    for (const engine of this.#engines.values()) await engine.close();
    this.#ends.close();
  }

  keys(name: string): string[] {
    return Array.from({ length: CHUNKS }, (_, index) => `${this.#run}-${name}@${index}`);
  }

  async send(prefill: string, decode: string, keys: readonly string[]): Promise<void> {
    const request = this.#next();
    const engine = this.#engine(prefill);
    const end = this.#ends.expect(request);
    await engine.put({ request, receiver: decode, timeoutMs: TIMEOUT_MS }, await compute(engine, keys, PAGE_BYTES));
    await this.#ready(request, decode, keys, (await within(TIMEOUT_MS, `${request} has no end`, end)).event);
  }

  async #offered(): Promise<void> {
    const request = this.#next();
    const keys = this.keys('offered');
    const engine = this.#engine('prefill-0');
    const end = this.#ends.expect(request);
    await engine.put({ request, timeoutMs: TIMEOUT_MS }, await compute(engine, keys, PAGE_BYTES));
    const router = await this.#cluster.router(this.#tenant);
    await router.route('prefill-0', { request, receiver: 'decode-0' });
    await this.#ready(request, 'decode-0', keys, (await within(TIMEOUT_MS, `${request} has no end`, end)).event);
  }

  async #overRanks(): Promise<void> {
    const request = this.#next();
    const members = [0, 1].map((rank) => ({ sender: `prefill-${rank}`, receiver: `decode-${rank}` }));
    const end = this.#ends.expect(request);
    for (const rank of [0, 1]) {
      const engine = this.#engine(`prefill-${rank}`);
      const chunks = await compute(engine, this.keys(`rank-${rank}`), PAGE_BYTES);
      const plan = { request, receiver: `decode-${rank}`, timeoutMs: TIMEOUT_MS, ranks: { rank, members } };
      await engine.put(plan, chunks);
    }
    const { event } = await within(TIMEOUT_MS, `${request} has no end`, end);
    for (const rank of [0, 1]) {
      const epoch = event.ranks?.find((row) => row.rank === rank)?.epoch ?? event.epoch;
      await this.#ready(request, `decode-${rank}`, this.keys(`rank-${rank}`), { ...event, epoch });
    }
  }

  async #staged(): Promise<void> {
    const request = this.#next();
    const [key = ''] = this.keys('staged');
    const client = await this.#cluster.engine('prefill-0', this.#tenant);
    const { segment, path, offsets, pageBytes } = await client.stage('prefill-0', { holder: 'demo', pages: 1 });
    const page = Buffer.alloc(pageBytes);
    fillPage(page, key);
    const file = await open(path, 'r+');
    await file.write(page, 0, page.length, offsets[0]);
    await file.close();
    const end = this.#ends.expect(request);
    const plan = { request, receiver: 'decode-0', batch: 0, last: true, totalChunks: 1, timeoutMs: TIMEOUT_MS };
    await client.put('prefill-0', {
      ...plan,
      keys: [key],
      source: [{ segment, offset: offsets[0] ?? 0, length: PAGE_BYTES }],
    });
    await this.#ready(request, 'decode-0', [key], (await within(TIMEOUT_MS, `${request} has no end`, end)).event);
    await client.unstage('prefill-0', { holder: 'demo' });
  }

  async #cancelled(): Promise<void> {
    const request = this.#next();
    const engine = this.#engine('prefill-0');
    const end = this.#ends.expect(request);
    const chunks = await compute(engine, this.keys('cancelled'), PAGE_BYTES);
    await engine.put({ request, timeoutMs: TIMEOUT_MS }, chunks);
    await (await this.#cluster.router(this.#tenant)).cancel('prefill-0', { request });
    this.#expect(request, 'cancelled', (await within(TIMEOUT_MS, `${request} has no end`, end)).event);
  }

  async #expired(): Promise<void> {
    const request = this.#next();
    const engine = this.#engine('prefill-1');
    const end = this.#ends.expect(request);
    const chunks = await compute(engine, this.keys('expired'), PAGE_BYTES);
    await engine.put({ request, timeoutMs: SHORT_MS }, chunks);
    this.#expect(request, 'expired', (await within(TIMEOUT_MS, `${request} has no end`, end)).event);
  }

  /** What a router asks before it chooses. */
  async #routerLooks(keys: readonly string[]): Promise<void> {
    const router = await this.#cluster.router(this.#tenant);
    const [found, looked] = [await router.discover(), await router.lookupAll({ keys: [...keys] })];
    if (found.length !== 4) this.broken.push(`${found.length} agents answered discover`);
    if (looked.length !== 4) this.broken.push(`${looked.length} agents answered lookup`);
  }

  async #ready(request: string, decode: string, keys: readonly string[], event: TerminalEvent): Promise<void> {
    this.#expect(request, 'ready', event);
    if (event.end !== 'ready') return;
    const client = await this.#cluster.engine(decode, this.#tenant);
    const reader = new DecodeEngine({ client, agent: decode });
    this.broken.push(...(await consume(reader, event, keys, PAGE_BYTES)));
  }

  #expect(request: string, end: TerminalEvent['end'], event: TerminalEvent): void {
    if (event.end !== end) this.broken.push(`${request} ended ${event.end} and not ${end}: ${event.reason?.message}`);
  }

  #engine(agent: string): PrefillEngine {
    return this.#engines.get(agent) as PrefillEngine;
  }

  #next(): string {
    this.requests += 1;
    return `${this.#run}-${this.#tenant}-${this.requests}`;
  }
}

/** The commands of observers and operators. */
async function tools(cluster: Cluster): Promise<string[]> {
  const commands: readonly (readonly [string, RegExp, readonly string[]])[] = [
    ['observer', /decode-0/, ['status']],
    ['observer', /no agent|nothing|not/i, ['explain', 'key', 'no-such-key']],
    ['observer', /decode-0/, ['top', '--once']],
    ['observer', /NATS/i, ['doctor']],
    ['operator', /decode-0/, ['status', '--agent', 'decode-0']],
    ['operator', /allow-faults/, ['fault', 'decode-0', 'kill']],
  ];
  const broken: string[] = [];
  for (const [user, wanted, args] of commands) {
    const output = await cluster.tool(user, ...args);
    const isRight = wanted.test(output) && !/permission/i.test(output);
    if (!isRight) broken.push(`kvferry ${args.join(' ')} of ${user} printed ${output.slice(0, 400)}`);
  }
  return broken;
}
