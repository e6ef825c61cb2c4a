/**
 * Measures the time from a cancel to free pages when no write is outstanding. The first batch of a request is committed, and
 * its last batch never comes. The engine cancels the request, alternately at the receiver and at the sender. The measurement
 * starts when the cancel is sent. It ends with the first `status` answer of the receiver in which every page is free. The
 * status is requested after the answer to the cancel (receiver) or after the terminal event (sender), not by polling.
 */
import type { AgentSlot } from './agent-slot.js';
import { ARENA_PAGES, CALL_TIMEOUT_MS, type ChaosCluster } from './chaos-cluster.js';
import type { Load } from './load.js';
import { Samples } from './samples.js';

const CHUNKS = 8;
const FIRST_CHUNKS = 4;
/** Cancels before the measured ones. A process that has just started takes up to ten times as long. */
const WARM_UP = 600;
const END_TIMEOUT_MS = 5000;
const PAGES_TIMEOUT_MS = 5000;

export async function measureCancels(cluster: ChaosCluster, load: Load, count: number): Promise<Samples> {
  const samples = new Samples();
  const [sender, receiver] = [cluster.prefill[0], cluster.decode[0]] as [AgentSlot, AgentSlot];
  for (let number = 0; number < WARM_UP + count; number += 1) {
    const atMs = await cancelOnce(cluster, load, sender, receiver, number % 2 === 0);
    if (number >= WARM_UP) samples.add(atMs);
  }
  return samples;
}

async function cancelOnce(
  { client, pool }: ChaosCluster,
  load: Load,
  sender: AgentSlot,
  receiver: AgentSlot,
  atReceiver: boolean,
): Promise<number> {
  const options = { timeoutMs: CALL_TIMEOUT_MS };
  const whyNot = async (request: string) => {
    const found = await Promise.all(
      [sender, receiver].map(async ({ name }) => (await client.explain(name, { request }, options)).explanations),
    );
    return found.flatMap((explanations) => explanations.map(({ summary }) => summary)).join(' ');
  };
  const pagesWhen = async (what: 'ready' | 'free', count: number, request: string) => {
    for (const untilMs = performance.now() + PAGES_TIMEOUT_MS; ; ) {
      const { pages } = await client.status(receiver.name, { lists: ['segments', 'peers'] }, options);
      if (pages?.[what] === count) return;
      if (performance.now() < untilMs) continue;
      const found = `${receiver.name} has not ${count} ${what} pages in the quiet phase: ${JSON.stringify(pages)}`;
      throw new Error(`${found}. ${await whyNot(request)}`);
    }
  };
  const entry = await load.put(sender, receiver, pool.fresh(CHUNKS), { firstChunks: FIRST_CHUNKS, finish: false });
  if (entry === undefined) throw new Error('a request of the quiet phase was refused');
  const { request, epoch } = entry;
  await pagesWhen('ready', FIRST_CHUNKS, request);
  const sentMs = performance.now();
  await client.cancel(atReceiver ? receiver.name : sender.name, { request, epoch }, options);
  if (!atReceiver) await entry.outgoing.end({ timeoutMs: END_TIMEOUT_MS });
  await pagesWhen('free', ARENA_PAGES, request);
  return performance.now() - sentMs;
}
