/** The same cluster in the same moment, with one of everything that an operator may come to see. */
import type { ClusterView } from '../../src/observe/inspector/feed.js';
import type { LiveSource } from '../../src/observe/inspector/live/live-source.js';
import { ShownCluster } from './shown-cluster.js';

/** How often the feed tells how the cluster is. */
const VIEW_MS = 1000;
/** Pages that end in quarantine. */
export const ABANDONED_CHUNKS = 7;

export interface Tableau extends AsyncDisposable {
  /** The bytes that did not arrive do now. */
  letGo(): void;
  /** Tells an open page how the cluster was, as if it had been open all the time: throughput then has a past. */
  tellPastAgain(): void;
  readonly shown: ShownCluster;
  readonly source: LiveSource;
  /** Ids of the requests that tests look for. */
  readonly requests: {
    /** Its bytes do not arrive. */
    readonly stuck: string;
    /** Waits for what `stuck` writes. */
    readonly joined: string;
    /** Waits for pages. */
    readonly queued: string;
    /** Wrote what another one was to write, and was cancelled. */
    readonly handedOver: string;
    /** Its sender was killed. */
    readonly lost: string;
  };
}

export async function makeTableau(): Promise<Tableau> {
  const shown = new ShownCluster();
  await shown.start();
  const source = shown.source();
  // A page looks all the time.
  source.watch();
  await shown.run(24_000);
  const lost = await loseSender(shown);
  await shown.run(6000);
  const handedOver = await handOver(shown);
  await shown.run(4000);

  // From here on the bytes of prefill-1 do not arrive.
  shown.loads = shown.loads.filter(({ sender }) => sender === 'prefill-0');
  await shown.run(200);
  const writes = shown.cluster.fabrics.holdWrites(({ from }) => from.startsWith('prefill-1'));
  const prompt = shown.prompt(0, 0, 9);
  const stuck = shown.put('prefill-1', 'decode-0', prompt);
  const abandoned = shown.put('prefill-1', 'decode-0', shown.prompt(0, 0, ABANDONED_CHUNKS));
  await shown.cluster.clock.until(() => writes.held === prompt.length + ABANDONED_CHUNKS);
  shown.cancel('prefill-1', abandoned);
  const joined = shown.put('prefill-0', 'decode-0', [...prompt.slice(0, 6), ...shown.prompt(0, 0, 3)]);
  // The small arena is full of what nobody fetches.
  shown.put('prefill-0', 'decode-1', shown.prompt(0, 0, 38), 'keep-warm');
  await shown.run(200);
  const queued = shown.put('prefill-0', 'decode-1', shown.prompt(0, 0, 24));
  await shown.run(300);
  shown.freeze('prefill-2');
  await shown.run(2060);
  return {
    shown,
    source,
    letGo: () => writes.release(),
    tellPastAgain: () => {
      const { history } = source;
      const now = history.cluster();
      if (now === undefined) return;
      const past: ClusterView[] = [];
      for (let atMs = now.source.fromMs; atMs < now.timeMs; atMs += VIEW_MS) {
        const then = history.cluster(atMs);
        if (then !== undefined && then.agents.length > 0) past.push(then);
      }
      for (const then of past) history.addCluster(then);
      history.addCluster(now);
    },
    requests: { stuck, joined, queued, handedOver, lost },
    [Symbol.asyncDispose]: async () => {
      writes.release();
      await shown[Symbol.asyncDispose]();
    },
  };
}

async function loseSender(shown: ShownCluster): Promise<string> {
  const { cluster } = shown;
  const agent = await shown.addSender('prefill-3');
  const writes = cluster.fabrics.holdWrites(({ from }) => from.startsWith('prefill-3'));
  const request = shown.put('prefill-3', 'decode-0', shown.prompt(2, 0, 4));
  await cluster.clock.until(() => writes.held > 0);
  cluster.kill(agent);
  writes.release();
  return request;
}

/** A writer is cancelled in the middle of its write; who had joined takes its place. */
async function handOver(shown: ShownCluster): Promise<string> {
  const { cluster } = shown;
  const writes = cluster.fabrics.holdWrites(({ from }) => from.startsWith('prefill-1'));
  const prompt = shown.prompt(0, 0, 6);
  const first = shown.put('prefill-1', 'decode-0', prompt);
  await cluster.clock.until(() => writes.held > 0);
  const second = shown.put('prefill-0', 'decode-0', [...prompt, ...shown.prompt(1, 0, 2)]);
  await shown.wait(12);
  shown.cancel('prefill-1', first);
  await shown.wait(40);
  writes.release();
  return second;
}
