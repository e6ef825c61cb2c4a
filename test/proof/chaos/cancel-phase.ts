/**
 * Measures the time from a cancel to free pages when no write is outstanding. The first batch of a request is committed, and
 * its last batch never comes. The engine cancels the request, alternately at the receiver and at the sender. The measurement
 * starts when the cancel is sent. It ends with the first `status` answer of the receiver in which every page is free. The
 * status is requested after the answer to the cancel (receiver) or after the terminal event (sender), not by polling.
 *
 * On a busy machine an agent can be silent for so long that its peer declares it dead. Such a request is repeated.
 */
import type { TerminalEvent } from '../../../src/protocol/events.js';
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
/** Requests that may be repeated. More of them are a fault. */
const REPEATED_MAX = 20;
const PEER_LOST = new Set<string | undefined>(['sender_lost', 'receiver_lost']);

export interface Cancels {
  readonly samples: Samples;
  /** Requests that were repeated because an agent was declared dead. */
  readonly repeated: number;
}

export async function measureCancels(cluster: ChaosCluster, load: Load, count: number): Promise<Cancels> {
  const samples = new Samples();
  const [sender, receiver] = [cluster.prefill[0], cluster.decode[0]] as [AgentSlot, AgentSlot];
  let repeated = 0;
  for (let number = 0; number < WARM_UP + count; ) {
    const tookMs = await cancelOnce(cluster, load, sender, receiver, number % 2 === 0);
    if (tookMs === undefined) {
      repeated += 1;
      if (repeated > REPEATED_MAX) throw new Error(`agents were declared dead ${repeated} times in the quiet phase`);
      continue;
    }
    if (number >= WARM_UP) samples.add(tookMs);
    number += 1;
  }
  return { samples, repeated };
}

/** Resolves to the time in milliseconds, or to undefined if an agent was declared dead before the cancel. */
async function cancelOnce(
  { client, pool }: ChaosCluster,
  load: Load,
  sender: AgentSlot,
  receiver: AgentSlot,
  atReceiver: boolean,
): Promise<number | undefined> {
  const options = { timeoutMs: CALL_TIMEOUT_MS };
  const whyNot = async (request: string) => {
    const found = await Promise.all(
      [sender, receiver].map(async ({ name }) => (await client.explain(name, { request }, options)).explanations),
    );
    return found.flatMap((explanations) => explanations.map(({ summary }) => summary)).join(' ');
  };
  const pagesWhen = async (what: 'ready' | 'free', count: number, request: string, isLost: () => boolean) => {
    for (const untilMs = performance.now() + PAGES_TIMEOUT_MS; !isLost(); ) {
      const { pages } = await client.status(receiver.name, { lists: ['segments', 'peers'] }, options);
      if (pages?.[what] === count) return;
      if (performance.now() < untilMs) continue;
      const found = `${receiver.name} has not ${count} ${what} pages in the quiet phase: ${JSON.stringify(pages)}`;
      throw new Error(`${found}. ${await whyNot(request)}`);
    }
  };
  const entry = await load.put(sender, receiver, pool.fresh(CHUNKS), { firstChunks: FIRST_CHUNKS, finish: false });
  if (entry === undefined) throw new Error('a request of the quiet phase was refused');
  const { request, epoch, outgoing } = entry;
  let event: TerminalEvent | undefined;
  const ended = outgoing.end({ timeoutMs: END_TIMEOUT_MS }).then((end) => {
    event = end.event;
  });
  ended.catch(() => undefined);
  const isLost = () => event !== undefined && PEER_LOST.has(event.reason?.code);
  await pagesWhen('ready', FIRST_CHUNKS, request, isLost);
  const sentMs = performance.now();
  if (!isLost()) await client.cancel(atReceiver ? receiver.name : sender.name, { request, epoch }, options);
  if (!atReceiver) await ended;
  if (isLost()) return undefined;
  await pagesWhen('free', ARENA_PAGES, request, isLost);
  return isLost() ? undefined : performance.now() - sentMs;
}
