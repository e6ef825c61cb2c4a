/** Many requests at once, from every prefill agent to one decode agent, as engines and a router would make them. */
import { join } from 'node:path';
import type { KvferryClient } from '../../client/kvferry-client.js';
import { type Percentiles, percentilesOf } from '../../figures/statistics.js';
import type { Teardown } from '../../processes/teardown.js';
import { poll, within } from '../../processes/within.js';
import { KvferryError } from '../../protocol/errors.js';
import { FAULT_MS_MAX } from '../../protocol/limits.js';
import type { End } from '../../protocol/subjects.js';
import { askStatuses, type Cluster } from './cluster.js';
import { DecodeEngine } from './decode-engine.js';
import { PrefillEngine } from './prefill-engine.js';
import { Router } from './router.js';
import { SourceSegment } from './source-segment.js';
import type { Violations } from './violations.js';
import { PROMPT_CHUNKS_MAX, type Prompt } from './workload.js';

/** Prompts that one engine has under way. */
const PROMPTS_AT_ONCE = 8;
/** Memory of one engine, in chunks: some of the longest prompts. */
export const ENGINE_SLOTS = 3 * PROMPT_CHUNKS_MAX;
/** Time a request may take, most of which it waits for pages. */
const REQUEST_TIMEOUT_MS = 120_000;
/** The end of a request is announced at its deadline; this much later it counts as never announced. */
const ANNOUNCE_GRACE_MS = 10_000;
/** How long an agent may be away after it was killed: it is started again, and opens its fabric. */
const RESTART_PATIENCE_MS = 15_000;
/** The longest fault, and a start after it. */
const BACK_TIMEOUT_MS = FAULT_MS_MAX + RESTART_PATIENCE_MS;
/** How long agents may take to let go of everything after the last release. */
const QUIESCENCE_TIMEOUT_MS = 10_000;

export interface LoadOptions {
  readonly run: string;
  readonly prompts: readonly Prompt[];
  readonly chunkBytes: number;
  /** For the engines' memory. */
  readonly directory: string;
  readonly onEnded: () => void;
}

export interface LoadResult {
  readonly requests: number;
  readonly ends: Readonly<Record<End, number>>;
  /** Requests that the agent refused, or whose end nobody announced. */
  readonly unended: number;
  readonly chunks: number;
  readonly deduplicated: number;
  readonly joined: number;
  readonly bytesMoved: number;
  readonly seconds: number;
  readonly putToReadyMs: Percentiles;
  /** Why requests did not become ready. */
  readonly problems: readonly string[];
  readonly mismatches: readonly string[];
  readonly leakedPages: number;
  readonly provider: string;
}

export interface Engines {
  readonly prefill: readonly PrefillEngine[];
  readonly decode: DecodeEngine;
  readonly router: Router;
}

export async function runLoad(
  options: LoadOptions,
  cluster: Cluster,
  client: KvferryClient,
  violations: Violations,
  teardown: Teardown,
): Promise<LoadResult> {
  const pagesHeldBefore = await heldPages(cluster, client);
  const engines = await openEngines(options, cluster, client, violations, teardown);
  const tally = new Tally();
  const startMs = performance.now();
  await Promise.all(
    engines.prefill.map(async (engine, index) => {
      const prompts = options.prompts.filter((prompt) => prompt.engine === index)[Symbol.iterator]();
      await Promise.all(
        Array.from({ length: PROMPTS_AT_ONCE }, async () => {
          for (const prompt of prompts) {
            await runPrompt(prompt, engine, engines, options.chunkBytes, tally);
            options.onEnded();
          }
        }),
      );
    }),
  );
  const seconds = (performance.now() - startMs) / 1000;
  if (cluster.allowsFaults) await allBack(cluster, client);
  for (const engine of engines.prefill) {
    const chunks = await engine.unreleased(QUIESCENCE_TIMEOUT_MS);
    if (chunks > 0) violations.add(`agent ${engine.agent} did not release the source of ${chunks} chunks`);
  }
  const leakedPages = await leftPages(cluster, client, pagesHeldBefore);
  const provider = await providerOf(cluster, client);
  for (const engine of engines.prefill) await engine.close();
  engines.router.close();
  await engines.decode.close();
  return {
    requests: options.prompts.length,
    ends: tally.ends,
    unended: tally.unended,
    chunks: tally.chunks,
    deduplicated: tally.deduplicated,
    joined: tally.joined,
    bytesMoved: tally.bytesMoved,
    seconds,
    putToReadyMs: percentilesOf(tally.putToReadyMs),
    problems: tally.problems,
    mismatches: tally.mismatches,
    leakedPages,
    provider,
  };
}

/** Waits until every agent answers again to which a fault has happened. */
async function allBack(cluster: Cluster, client: KvferryClient): Promise<void> {
  const answering = await poll(BACK_TIMEOUT_MS, () =>
    askStatuses(cluster, client).catch((error: unknown) => {
      if (error instanceof KvferryError) return undefined;
      throw error;
    }),
  );
  if (answering === undefined) throw new KvferryError('no_responders', 'an agent has not come back after a fault');
}

/** Ways in which bytes went: one, or `mixed`. */
export async function providerOf(cluster: Cluster, client: KvferryClient): Promise<string> {
  const statuses = await askStatuses(cluster, client);
  const names = new Set(cluster.prefill.map(({ agent }) => agent).concat(cluster.decode.agent));
  const providers = new Set(
    statuses.flatMap(({ peers }) =>
      peers.flatMap(({ agent, provider }) => (provider !== undefined && names.has(agent) ? [provider] : [])),
    ),
  );
  const [provider] = providers;
  if (provider === undefined) return 'none';
  return providers.size === 1 ? provider : 'mixed';
}

/** Pages of the arena that have not become free again, after waiting for it. */
export async function leftPages(cluster: Cluster, client: KvferryClient, before: number): Promise<number> {
  const settled = await poll(QUIESCENCE_TIMEOUT_MS, async () => {
    const held = await heldPages(cluster, client);
    return held <= before ? held : undefined;
  });
  return (settled ?? (await heldPages(cluster, client))) - before;
}

export async function heldPages(cluster: Cluster, client: KvferryClient): Promise<number> {
  const { pages } = await client.status(cluster.decode.agent, { limit: 0 });
  if (pages === undefined) throw new KvferryError('role_mismatch', `agent ${cluster.decode.agent} has no arena`);
  return pages.total - pages.free + pages.reserved;
}

/** Engines for the agents of a cluster, and a router. The teardown closes their memory. */
export async function openEngines(
  options: Pick<LoadOptions, 'run' | 'directory' | 'chunkBytes'>,
  cluster: Cluster,
  client: KvferryClient,
  violations: Violations,
  teardown: Teardown,
): Promise<Engines> {
  const prefill: PrefillEngine[] = [];
  for (const [index, { agent }] of cluster.prefill.entries()) {
    const segmentName = `${options.run}-engine-${index + 1}`;
    const segment = await SourceSegment.create(join(options.directory, segmentName), ENGINE_SLOTS, options.chunkBytes);
    teardown.defer(() => segment.close());
    const patienceMs = cluster.allowsFaults ? RESTART_PATIENCE_MS : 0;
    const engine = new PrefillEngine({ agent, client, segment, segmentName, violations, patienceMs });
    await engine.open();
    prefill.push(engine);
  }
  const decode = new DecodeEngine({ agent: cluster.decode.agent, client, chunkBytes: options.chunkBytes });
  const router = new Router(client, violations);
  await client.flush();
  return { prefill, decode, router };
}

class Tally {
  readonly ends: Record<End, number> = { ready: 0, failed: 0, cancelled: 0, expired: 0 };
  readonly putToReadyMs: number[] = [];
  readonly problems: string[] = [];
  readonly mismatches: string[] = [];
  unended = 0;
  chunks = 0;
  deduplicated = 0;
  joined = 0;
  bytesMoved = 0;
}

async function runPrompt(
  prompt: Prompt,
  engine: PrefillEngine,
  { decode, router }: Engines,
  chunkBytes: number,
  tally: Tally,
): Promise<void> {
  const { request, keys } = prompt;
  const slots = await engine.compute(keys, chunkBytes);
  const ending = router.expect(request);
  const putAtMs = performance.now();
  try {
    const sending = { request, keys, receiver: decode.agent, chunkBytes, timeoutMs: REQUEST_TIMEOUT_MS };
    await engine.send(sending, slots);
    const late = `nobody announced the end of ${request}`;
    const { event, heardAtMs } = await within(REQUEST_TIMEOUT_MS + ANNOUNCE_GRACE_MS, late, ending);
    tally.chunks += event.chunks;
    tally.deduplicated += event.deduplicated;
    tally.joined += event.joined;
    tally.bytesMoved += event.bytes;
    if (event.end !== 'ready') {
      tally.ends[event.end] += 1;
      tally.problems.push(`request ${request} ${event.end}: ${event.reason?.message}`);
      return;
    }
    tally.putToReadyMs.push(heardAtMs - putAtMs);
    tally.mismatches.push(...(await decode.consume(event, keys)).mismatches);
    tally.ends.ready += 1;
  } catch (error) {
    if (!(error instanceof KvferryError)) throw error;
    tally.unended += 1;
    tally.problems.push(`request ${request}: ${error.message} [${error.code}]`);
  }
}
