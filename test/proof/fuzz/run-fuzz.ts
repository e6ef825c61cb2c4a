/** Messages of a stranger at real agents, with honest engines beside it; what it found. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '@nats-io/transport-node';
import { SharedFile } from '../../../src/client/shared-file.js';
import { Random } from '../../../src/figures/random.js';
import { Teardown } from '../../../src/processes/teardown.js';
import { type FuzzCluster, longestTurnMs, PAGE_BYTES, residentMiB, startFuzzCluster } from './fuzz-cluster.js';
import { HonestEngines } from './honest-engines.js';
import { Stranger } from './stranger.js';

/** Messages that are not answered yet. */
const IN_FLIGHT = 64;
/** Of the messages: after so many the memory of the agents is compared with that at the end. */
const WARM_UP_SHARE = 0.25;
/** Leases, tombstones and sessions of the agents end within this time. */
const SETTLE_MS = 8_000;
const REPORT_EVERY = 10_000;

const RSS_GROWTH_MIB_MAX = 50;

export interface FuzzOptions {
  readonly messages: number;
  readonly seed: number;
  readonly program: string | undefined;
  /** The longest turn of an agent's event loop that is no fault. */
  readonly turnMs: number;
}

export interface FuzzReport {
  readonly messages: number;
  readonly seed: number;
  readonly seconds: number;
  readonly answered: number;
  readonly unanswered: number;
  /** Messages that were executed. */
  readonly accepted: number;
  readonly crashes: number;
  readonly internal: number;
  readonly longestTurnMs: number;
  readonly rssGrowthMiB: number;
  readonly honestReady: number;
  readonly honestFailed: Readonly<Record<string, number>>;
  readonly wrongBytes: number;
  /** Kinds of messages that were executed at least once. */
  readonly kindsAccepted: number;
  readonly broken: readonly string[];
}

type Say = (line: string) => void;

export async function runFuzz(options: FuzzOptions, say: Say): Promise<FuzzReport> {
  const teardown = new Teardown();
  try {
    const cluster = await startFuzzCluster(options.program, teardown);
    return await new Fuzz(cluster, options, say).run();
  } finally {
    await teardown.run((error) => say(`clean-up: ${String(error)}`));
  }
}

class Fuzz {
  readonly #cluster: FuzzCluster;
  readonly #options: FuzzOptions;
  readonly #say: Say;
  #sent = 0;
  #baseMiB: readonly number[] = [];

  constructor(cluster: FuzzCluster, options: FuzzOptions, say: Say) {
    this.#cluster = cluster;
    this.#options = options;
    this.#say = say;
  }

  async run(): Promise<FuzzReport> {
    const { agents, directory, url } = this.#cluster;
    const startedMs = performance.now();
    const nats = await connect({ servers: url, name: 'kvferry fuzz stranger' });
    const segment = join(directory, 'fuzz');
    await (await SharedFile.create(segment, 16 * PAGE_BYTES)).close();
    await this.#cluster.client.attach('prefill-0', { segment: 'fuzz', path: segment });
    const stranger = new Stranger({ nats, random: new Random(this.#options.seed), agents, segment });
    const honest = new HonestEngines(this.#cluster);
    const ending = new AbortController();
    const working = honest.run(ending.signal);
    // The turns of the start do not count.
    await Promise.all(agents.map(longestTurnMs));
    await Promise.all(Array.from({ length: IN_FLIGHT }, () => this.#sendSome(stranger)));
    const turns = await Promise.all(agents.map(longestTurnMs));
    ending.abort();
    await working;
    await pause(SETTLE_MS);
    const report = await this.#report(stranger, honest, Math.max(...turns), startedMs);
    await nats.close();
    return report;
  }

  async #sendSome(stranger: Stranger): Promise<void> {
    const { messages } = this.#options;
    const { agents } = this.#cluster;
    while (this.#sent < messages && agents.every(({ child }) => child.isRunning)) {
      this.#sent += 1;
      if (this.#sent === Math.ceil(messages * WARM_UP_SHARE)) {
        this.#baseMiB = await Promise.all(agents.map(residentMiB));
      }
      if (this.#sent % REPORT_EVERY === 0) this.#say(`${this.#sent} messages`);
      await stranger.send();
    }
  }

  async #report(stranger: Stranger, honest: HonestEngines, turnMs: number, startedMs: number): Promise<FuzzReport> {
    const { agents } = this.#cluster;
    const faults = await Promise.all(agents.map(({ name }) => this.#faultsOf(name)));
    const counts = Object.entries(stranger.answers);
    const sum = (has: (code: string) => boolean) =>
      counts.reduce(
        (total, [, codes]) =>
          total + Object.entries(codes).reduce((part, [code, count]) => part + (has(code) ? count : 0), 0),
        0,
      );
    const memory = await Promise.all(agents.map(residentMiB));
    const growths = memory.map((mib, index) => mib - (this.#baseMiB[index] ?? 0));
    for (const [name, codes] of counts) this.#say(`${name}: ${JSON.stringify(codes)}`);
    for (const line of [...stranger.internal.slice(0, 10), ...honest.wrong.slice(0, 10)]) this.#say(line);
    const found = {
      messages: this.#sent,
      seed: this.#options.seed,
      seconds: Math.round((performance.now() - startedMs) / 100) / 10,
      answered: sum((code) => code !== 'none'),
      unanswered: sum((code) => code === 'none'),
      accepted: sum((code) => code === 'ok'),
      crashes: faults.reduce((total, count) => total + count, 0),
      internal: stranger.internal.length,
      longestTurnMs: Math.round(turnMs * 10) / 10,
      rssGrowthMiB: Math.round(Math.max(0, ...growths) * 10) / 10,
      honestReady: honest.ready,
      honestFailed: honest.failed,
      wrongBytes: honest.wrong.length,
      kindsAccepted: counts.filter(([, codes]) => (codes['ok'] ?? 0) > 0).length,
    };
    return { ...found, broken: brokenLimits(found, this.#options.turnMs) };
  }

  /** Processes that ended, actors that crashed, and invariants that were broken. */
  async #faultsOf(name: string): Promise<number> {
    const agent = this.#cluster.agents.find((each) => each.name === name);
    if (agent?.child.isRunning !== true) {
      this.#say(`${name} has ended:\n${agent?.child.outputTail()}`);
      return 1;
    }
    const { counters } = await this.#cluster.client.status(name, { limit: 0 });
    return (counters['actors_crashed'] ?? 0) + (counters['invariants_broken'] ?? 0);
  }
}

function brokenLimits(found: Omit<FuzzReport, 'broken'>, turnMs: number): string[] {
  const kept = {
    crashes: found.crashes === 0,
    internal: found.internal === 0,
    longestTurnMs: found.longestTurnMs <= turnMs,
    rssGrowthMiB: found.rssGrowthMiB <= RSS_GROWTH_MIB_MAX,
    wrongBytes: found.wrongBytes === 0,
    honestReady: found.honestReady > 0,
  };
  return Object.entries(kept).flatMap(([name, holds]) => (holds ? [] : [name]));
}
