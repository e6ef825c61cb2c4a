/**
 * The recovery suite: real agents, killed (SIGKILL) while a request is under way. Measures the time until an agent announces
 * the failure, until the pages of the dead agent are free, and until the next request is ready.
 */

import { spreadOf } from '../../src/figures/statistics.js';
import { Teardown } from '../../src/processes/teardown.js';
import { poll } from '../../src/processes/within.js';
import { KvferryError } from '../../src/protocol/errors.js';
import type { Bench } from '../bench.js';
import { type BenchAgent, type Cluster, serving, startCluster } from '../harness/cluster.js';
import { freshKeys } from '../harness/keys.js';
import { Requests } from '../harness/requests.js';
import type { Row, SuiteResult } from '../suite-result.js';

const CHUNK_BYTES = 4096;
const PAGE_BYTES = 4096;
const ARENA_PAGES = 1024;
const KEYS = 32;
const RECLAIM_TIMEOUT_MS = 60_000;
/** Polling interval, and the largest error of a figure. */
const LOOK_MS = 2;

interface RecoveryScale {
  readonly heartbeatsMs: readonly number[];
  readonly rounds: number;
}

/** The second one is the default of agents. */
const full: RecoveryScale = { heartbeatsMs: [200, 1000], rounds: 5 };
const quick: RecoveryScale = { heartbeatsMs: [200], rounds: 2 };

interface Times {
  /** Time from the kill to the announcement of the failure. */
  readonly detectMs: number;
  /** Time from the kill until every page is free. Only for a killed sender. */
  readonly reclaimMs?: number;
  /** Time from the start of the next process of that name to its first request that is ready. */
  readonly restartMs: number;
  /** The part of `restartMs` after the process serves: discovery, connection, transfer. */
  readonly reconnectMs: number;
}

export async function runRecovery(bench: Bench, teardown: Teardown): Promise<SuiteResult> {
  const { heartbeatsMs, rounds } = bench.quick ? quick : full;
  const providers = ['same-host', 'tcp'] as const;
  const rows: Row[] = [];
  bench.progress.begin('recovery', heartbeatsMs.length * providers.length * 2);
  for (const heartbeatMs of heartbeatsMs) {
    for (const provider of providers) {
      const part = new Teardown();
      const undo = () => part.run(() => undefined);
      teardown.defer(undo);
      const settings = ['--heartbeat-ms', `${heartbeatMs}`, '--provider', provider];
      const directory = bench.sharedDirectory(part);
      const shape = { prefillAgents: 1, pageBytes: PAGE_BYTES, arenaPages: ARENA_PAGES };
      const workDirectory = bench.workDirectory(part);
      const cluster = await startCluster({ ...shape, directory, workDirectory, settings }, part);
      const requests = new Requests(cluster);
      const path = await requests.attach(directory, KEYS * CHUNK_BYTES);
      for (const killed of ['sender', 'receiver'] as const) {
        bench.progress.step(`${killed} killed, ${provider}, heartbeat ${heartbeatMs} ms`);
        const times: Times[] = [];
        for (let round = 0; round < rounds; round += 1) times.push(await killOnce(killed, cluster, requests, path));
        rows.push(rowOf({ killed, provider, heartbeatMs }, times));
      }
      await undo();
    }
  }
  bench.progress.end();
  return { rows, notRun: [] };
}

async function killOnce(
  killed: 'sender' | 'receiver',
  cluster: Cluster,
  requests: Requests,
  path: string,
): Promise<Times> {
  const { client, decode } = cluster;
  const [prefill] = cluster.prefill as [BenchAgent];
  const agent = killed === 'sender' ? prefill : decode;
  // The agents are connected, as they are most of the time.
  await requests.release(await move(requests, prefill));
  const outgoing = requests.begin(prefill.name, KEYS * 2);
  const ending = requests.end(outgoing);
  await outgoing.put(requests.chunks(freshKeys(KEYS), CHUNK_BYTES));
  if (killed === 'sender') await pages('ready', KEYS, cluster);
  const killedMs = performance.now();
  await agent.kill();
  await ending;
  const detectMs = performance.now() - killedMs;
  const reclaimMs = killed === 'sender' ? await freeAgain(cluster, killedMs) : undefined;
  const startedMs = performance.now();
  agent.restart();
  await serving(agent, client);
  const servingMs = performance.now();
  if (killed === 'sender') await requests.attachAt(prefill.name, path);
  await requests.release(await move(requests, prefill));
  const readyMs = performance.now();
  return {
    detectMs,
    ...(reclaimMs === undefined ? {} : { reclaimMs }),
    restartMs: readyMs - startedMs,
    reconnectMs: readyMs - servingMs,
  };
}

function move(requests: Requests, { name }: BenchAgent) {
  return requests.move(name, requests.chunks(freshKeys(KEYS), CHUNK_BYTES));
}

async function freeAgain(cluster: Cluster, sinceMs: number): Promise<number> {
  await pages('free', ARENA_PAGES, cluster);
  return performance.now() - sinceMs;
}

async function pages(state: 'ready' | 'free', count: number, { client, decode }: Cluster): Promise<void> {
  const look = async () => {
    const status = await client.status(decode.name, { lists: [] });
    return status.pages?.[state] === count ? true : undefined;
  };
  if ((await poll(RECLAIM_TIMEOUT_MS, look, LOOK_MS)) !== undefined) return;
  throw new KvferryError('deadline_exceeded', `${count} pages are not ${state} within ${RECLAIM_TIMEOUT_MS} ms`);
}

function rowOf(parameters: Row['parameters'], times: readonly Times[]): Row {
  const reclaim = times.flatMap(({ reclaimMs }) => reclaimMs ?? []);
  return {
    table: 'killed',
    parameters,
    figures: {
      detectMs: spreadOf(times.map(({ detectMs }) => detectMs)),
      ...(reclaim.length === 0 ? {} : { reclaimMs: spreadOf(reclaim) }),
      restartMs: spreadOf(times.map(({ restartMs }) => restartMs)),
      reconnectMs: spreadOf(times.map(({ reconnectMs }) => reconnectMs)),
    },
  };
}
