/** Many requests at once, from every prefill agent to one decode agent, as engines and a router make them. */
import type { KvferryClient } from '../../client/kvferry-client.js';
import type { PrefillEngine } from '../../client/prefill-engine.js';
import { type Percentiles, percentilesOf } from '../../figures/statistics.js';
import { patient, patientTimeout } from '../../processes/patience.js';
import type { Teardown } from '../../processes/teardown.js';
import { poll } from '../../processes/within.js';
import { KvferryError } from '../../protocol/errors.js';
import { FAULT_MS_MAX } from '../../protocol/limits.js';
import type { End } from '../../protocol/subjects.js';
import { askStatuses, type Cluster } from './cluster.js';
import { closeEngines, compute, consume, type Engines, openEngines, unreleased } from './engines.js';
import type { Violations } from './violations.js';
import { CHUNKS_PER_BATCH, PROMPT_CHUNKS_MAX, type Prompt } from './workload.js';

/** Prompts that one engine has under way. */
const PROMPTS_AT_ONCE = 8;
/** Memory of one engine, in chunks: some of the longest prompts. */
export const ENGINE_SLOTS = 3 * PROMPT_CHUNKS_MAX;
/** Time for one request. It waits for pages most of the time. */
const REQUEST_TIMEOUT_MS = 120_000;
/** How long an agent may be away after it was killed: it is started again, and opens its fabric. */
export const RESTART_PATIENCE_MS = 15_000;
/** The longest fault, and a start after it. */
const BACK_TIMEOUT_MS = FAULT_MS_MAX + RESTART_PATIENCE_MS;
/** How long agents may take to give everything back after the last release. */
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
  /** Requests that the agent refused, or whose end no agent announced. */
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

export async function runLoad(
  options: LoadOptions,
  cluster: Cluster,
  client: KvferryClient,
  violations: Violations,
  teardown: Teardown,
): Promise<LoadResult> {
  const pagesHeldBefore = await heldPages(cluster, client);
  const engines = await openEngines(
    { ...options, slots: ENGINE_SLOTS, patienceMs: cluster.allowsFaults ? patient(RESTART_PATIENCE_MS) : 0 },
    ...([cluster, client, violations, teardown] as const),
  );
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
    const chunks = await unreleased(engine, QUIESCENCE_TIMEOUT_MS);
    if (chunks > 0) violations.add(`agent ${engine.agent} did not release the source of ${chunks} chunks`);
  }
  const leakedPages = await leftPages(cluster, client, pagesHeldBefore);
  const provider = await providerOf(cluster, client);
  await closeEngines(engines);
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

/** Waits until every agent answers, also those that a fault has hit. */
async function allBack(cluster: Cluster, client: KvferryClient): Promise<void> {
  const answering = await poll(BACK_TIMEOUT_MS, () =>
    askStatuses(cluster, client).catch((error: unknown) => {
      if (error instanceof KvferryError) return undefined;
      throw error;
    }),
  );
  if (answering === undefined) throw new KvferryError('no_responders', 'an agent has not come back after a fault');
}

/** The provider that moved the bytes; `mixed` when there were several. */
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

/** Waits for pages of the arena to become free, and resolves with the number that did not. */
export async function leftPages(cluster: Cluster, client: KvferryClient, before: number): Promise<number> {
  const settled = await poll(QUIESCENCE_TIMEOUT_MS, async () => {
    const held = await heldPages(cluster, client);
    return held <= before ? held : undefined;
  });
  return (settled ?? (await heldPages(cluster, client))) - before;
}

export async function heldPages(cluster: Cluster, client: KvferryClient): Promise<number> {
  const { pages } = await client.status(cluster.decode.agent, { lists: [] });
  if (pages === undefined) throw new KvferryError('role_mismatch', `agent ${cluster.decode.agent} has no arena`);
  return pages.total - pages.free + pages.reserved;
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
  { decode }: Engines,
  chunkBytes: number,
  tally: Tally,
): Promise<void> {
  const { request, keys } = prompt;
  const chunks = await compute(engine, keys, chunkBytes);
  const putAtMs = performance.now();
  try {
    const plan = { request, receiver: decode.agent, timeoutMs: patientTimeout(REQUEST_TIMEOUT_MS) };
    const outgoing = await engine.put(plan, chunks, CHUNKS_PER_BATCH);
    const { event, atMs } = await outgoing.end();
    tally.chunks += event.chunks;
    tally.deduplicated += event.deduplicated;
    tally.joined += event.joined;
    tally.bytesMoved += event.bytes;
    if (event.end !== 'ready') {
      tally.ends[event.end] += 1;
      tally.problems.push(`request ${request} ${event.end}: ${event.reason?.message}`);
      return;
    }
    tally.putToReadyMs.push(atMs - putAtMs);
    tally.mismatches.push(...(await consume(decode, event, keys, chunkBytes)));
    tally.ends.ready += 1;
  } catch (error) {
    if (!(error instanceof KvferryError)) throw error;
    tally.unended += 1;
    tally.problems.push(`request ${request}: ${error.message} [${error.code}]`);
  }
}
