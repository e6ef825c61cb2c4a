/** A small load that never ends, so that the inspector has something to show: full arenas, shared prefixes, waiting requests. */
import { setTimeout as delay } from 'node:timers/promises';
import type { KvferryClient } from '../../client/kvferry-client.js';
import type { PrefillEngine } from '../../client/prefill-engine.js';
import { Random } from '../../figures/random.js';
import { patient, patientTimeout } from '../../processes/patience.js';
import type { Teardown } from '../../processes/teardown.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Cluster } from './cluster.js';
import { compute, consume, type Engines, openEngines } from './engines.js';
import { ENGINE_SLOTS, RESTART_PATIENCE_MS } from './load.js';
import type { Violations } from './violations.js';
import { CHUNKS_PER_BATCH, makeWorkload, type Prompt } from './workload.js';

/** Prompts in progress at one engine. */
const PROMPTS_AT_ONCE = 2;
/** Prompts that are made at once. Prompts of one round share prefixes. */
const PROMPTS_PER_ROUND = 32;
/** Longest time that a decode engine reads a prompt's pages, and longest pause of a prefill engine between prompts. */
const READ_MS_MAX = 1500;
const PAUSE_MS_MAX = 1000;
const REQUEST_TIMEOUT_MS = 30_000;

export interface GentleLoadOptions {
  readonly run: string;
  readonly seed: number;
  readonly share: number;
  readonly chunkBytes: number;
  /** Directory for the source segments of the engines. */
  readonly directory: string;
  /** Receives why requests did not become ready. */
  readonly say: (line: string) => void;
}

/** Runs until the teardown does. Then it rejects or resolves, and the caller ignores which. */
export async function runGentleLoad(
  options: GentleLoadOptions,
  cluster: Cluster,
  client: KvferryClient,
  violations: Violations,
  teardown: Teardown,
): Promise<void> {
  const patienceMs = cluster.allowsFaults ? patient(RESTART_PATIENCE_MS) : 0;
  const memory = { ...options, slots: ENGINE_SLOTS, patienceMs };
  const engines = await openEngines(memory, cluster, client, violations, teardown);
  const ending = new AbortController();
  teardown.defer(() => ending.abort());
  const load = new GentleLoad(options, engines, violations, ending.signal);
  await Promise.all(
    engines.prefill.flatMap((engine, index) =>
      Array.from({ length: PROMPTS_AT_ONCE }, () => load.keepBusy(engine, index)),
    ),
  );
}

class GentleLoad {
  readonly #options: GentleLoadOptions;
  readonly #engines: Engines;
  readonly #violations: Violations;
  readonly #ending: AbortSignal;
  readonly #random: Random;
  #round = 0;
  /** Prompts that are not sent yet, by the prefill engine that computes them. */
  #prompts: Prompt[][] = [];

  constructor(options: GentleLoadOptions, engines: Engines, violations: Violations, ending: AbortSignal) {
    this.#options = options;
    this.#engines = engines;
    this.#violations = violations;
    this.#ending = ending;
    this.#random = new Random(options.seed);
  }

  async keepBusy(engine: PrefillEngine, index: number): Promise<void> {
    while (!this.#ending.aborted) {
      try {
        await this.#move(this.#next(index), engine);
      } catch (error) {
        if (this.#ending.aborted) return;
        if (!(error instanceof KvferryError)) throw error;
        this.#options.say(`${error.message} [${error.code}]`);
      }
      await this.#wait(PAUSE_MS_MAX);
    }
  }

  async #move({ request, keys }: Prompt, engine: PrefillEngine): Promise<void> {
    const { decode } = this.#engines;
    const { chunkBytes, say } = this.#options;
    const chunks = await compute(engine, keys, chunkBytes);
    const plan = { request, receiver: decode.agent, timeoutMs: patientTimeout(REQUEST_TIMEOUT_MS) };
    const outgoing = await engine.put(plan, chunks, CHUNKS_PER_BATCH);
    const { event } = await outgoing.end();
    if (event.end !== 'ready') {
      say(`request ${request} ${event.end}: ${event.reason?.message}`);
      return;
    }
    await this.#wait(READ_MS_MAX);
    const mismatches = await consume(decode, event, keys, chunkBytes);
    for (const mismatch of mismatches) this.#violations.add(`mismatch: ${mismatch}`);
    for (const mismatch of mismatches) say(`mismatch: ${mismatch}`);
  }

  #next(engine: number): Prompt {
    for (;;) {
      const prompt = this.#prompts[engine]?.shift();
      if (prompt !== undefined) return prompt;
      this.#round += 1;
      const { run, seed, share } = this.#options;
      const engines = this.#engines.prefill.length;
      const round = { run: `${run}-${this.#round}`, seed: seed + this.#round, requests: PROMPTS_PER_ROUND };
      const made = makeWorkload({ ...round, engines, share });
      this.#prompts = Array.from({ length: engines }, (_, index) => made.filter((prompt) => prompt.engine === index));
    }
  }

  /** Waits for a random time, or until the load ends. */
  async #wait(maxMs: number): Promise<void> {
    const waited = delay(this.#random.integer(0, maxMs), undefined, { signal: this.#ending });
    await waited.catch(() => undefined);
  }
}
