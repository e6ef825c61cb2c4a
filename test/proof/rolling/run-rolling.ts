/** Replaces every agent and every NATS server in turn, under load, and checks that no prompt is lost. */
import { setTimeout as pause } from 'node:timers/promises';
import { Random } from '../../../src/figures/random.js';
import { Teardown } from '../../../src/processes/teardown.js';
import { quiesce } from '../chaos/quiesce.js';
import type { Summary } from '../chaos/samples.js';
import { DecodeSide } from './decode-side.js';
import { PrefillSide } from './prefill-side.js';
import { type Ending, RollingCluster } from './rolling-cluster.js';
import { Router } from './router.js';

/** Load before the first restart, between two, and after the last one. */
const REST_MS = 1000;
/** Number of violations in the report. */
const EXAMPLES_MAX = 10;

export interface RollingOptions {
  readonly rounds: number;
  readonly seed: number;
  /** How a process of an agent ends. */
  readonly ending: Ending;
  /** How often a router tries a prompt. */
  readonly attempts: number;
  /** The least and the most time between the two steps of a prompt that is computed in steps. */
  readonly stepMs: readonly [number, number];
  /** NATS servers are replaced too. */
  readonly withNats: boolean;
  /** Directory for the logs of agents and NATS servers. Without it they are deleted at the end. */
  readonly logDirectory?: string | undefined;
}

export interface RollingReport {
  readonly restarts: number;
  readonly natsRestarts: number;
  /** Prompts, and those whose bytes were read. */
  readonly requests: number;
  readonly ready: number;
  /** Attempts after the first one, and their reasons. */
  readonly retried: number;
  readonly retriedBy: Readonly<Record<string, number>>;
  /** Ends whose event was missed, and that an agent reported when it was asked. */
  readonly askedFor: number;
  readonly lost: number;
  readonly wrongBytes: number;
  readonly twoEnds: number;
  readonly leakedPages: number;
  readonly pagesVerified: number;
  /** From the choice of the agents until the bytes are read, over all attempts. */
  readonly requestMs: Summary;
  readonly seconds: number;
  readonly seed: number;
  /** Violations of the promises, as text. */
  readonly violations: readonly string[];
}

/** Resolves to the report. Rejects if the run could not finish. */
export async function runRolling(options: RollingOptions, say: (line: string) => void): Promise<RollingReport> {
  const teardown = new Teardown();
  try {
    return await perform(options, say, teardown);
  } finally {
    await teardown.run((error) => say(`clean-up: ${String(error)}`));
  }
}

async function perform(
  options: RollingOptions,
  say: (line: string) => void,
  teardown: Teardown,
): Promise<RollingReport> {
  const { seed, attempts, stepMs, logDirectory } = options;
  const startedMs = performance.now();
  const cluster = await RollingCluster.start(logDirectory, teardown);
  const prefill = await PrefillSide.open(cluster, teardown);
  const decode = new DecodeSide(cluster.client);
  const { client, ends, slots } = cluster;
  const random = new Random(seed);
  const router = new Router({ client, prefill, decode, ends, agents: slots.length, random, attempts, stepMs, say });
  await client.flush();
  router.start();
  await Promise.race([rollAll(cluster, options, say), router.failure()]);
  await router.stop();
  say('quiet: requests end');
  const memory = await prefill.close();
  const left = await quiesce(cluster);
  const { twoEnds } = ends;
  const violations = [...router.lost, ...decode.wrong, ...twoEnds, ...left.words, ...memory, ...cluster.badEnds];
  return {
    restarts: cluster.restarts,
    natsRestarts: cluster.nats.restarts,
    requests: router.requests,
    ready: router.ready,
    retried: router.retried,
    retriedBy: router.retriedBy,
    askedFor: router.askedFor,
    lost: router.lost.length,
    wrongBytes: decode.wrong.length,
    twoEnds: twoEnds.length,
    leakedPages: left.pages,
    pagesVerified: decode.pagesVerified,
    requestMs: router.durations.summary(),
    seconds: Math.round((performance.now() - startedMs) / 1000),
    seed,
    violations: violations.slice(0, EXAMPLES_MAX),
  };
}

/** The first round does as service managers do: stop, then start. The next one overlaps two processes; and so on in turn. */
async function rollAll(cluster: RollingCluster, options: RollingOptions, say: (line: string) => void): Promise<void> {
  const { rounds, ending, withNats } = options;
  for (let round = 0; round < rounds; round += 1) {
    const overlapping = round % 2 === 1;
    for (const agent of cluster.slots) {
      await pause(REST_MS);
      const startedMs = performance.now();
      await cluster.roll(agent, { overlapping, ending });
      say(
        `${agent.name} ${overlapping ? 'handed over' : 'restarted'} in ${Math.round(performance.now() - startedMs)} ms`,
      );
    }
    for (let server = 0; withNats && server < cluster.nats.size; server += 1) {
      await pause(REST_MS);
      const startedMs = performance.now();
      await cluster.nats.replace(server, overlapping ? 'SIGTERM' : 'SIGUSR2');
      say(`NATS server ${server} replaced in ${Math.round(performance.now() - startedMs)} ms`);
    }
  }
  await pause(REST_MS);
}
