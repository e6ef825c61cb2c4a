import { connect } from '@nats-io/transport-node';
import { describe, expect, test } from 'vitest';
import { patient } from '../../src/processes/patience.js';
import { isKvferryError } from '../../src/protocol/errors.js';
import { RECEIVER_STEPS, SENDER_STEPS } from '../proof/chaos/steps.js';
import { missing, RealCluster } from './support.js';

const LEASE_MS = 2000;
const CHUNKS = 2;
/** Timeout of each request. Every error must come earlier. */
const DEADLINE_MS = 10_000;
const TEST_TIMEOUT_MS = patient(180_000);
const timing = [
  ...['--lease-ms', `${LEASE_MS}`, '--sweep-interval-ms', '100', '--arena-pages', '64'],
  ...['--attempt-timeout-ms', '500', '--inquire-interval-ms', '500', '--write-drain-timeout-ms', '1000'],
];

/** Steps after which the receiver knows the request. */
const SENDER_STEPS_HEARD = [
  'allocate.answered',
  'write.starting',
  'write.underway',
  'write.done',
  'source.publishing',
  'commit.sending',
];
/** Steps after which the request is complete. */
const SENDER_STEPS_READY = ['commit.answered', 'ended.received'];
/** Steps of a request that is cancelled at its sender after its first batch. */
const SENDER_STEPS_OF_CANCEL = [
  'cancel.received',
  'abort.sending',
  'abort.answered',
  'drained.sending',
  'drained.answered',
];
const RECEIVER_STEPS_OF_CANCEL = [
  'cancel.received',
  'abort.received',
  'abort.answering',
  'drained.received',
  'drained.answering',
];
/** Steps after which a message that may complete the request has no answer. The sender reports the end after the restart. */
const RECEIVER_STEPS_OF_DOUBT = [
  'allocate.received',
  'allocate.answering',
  'commit.received',
  'event.publishing',
  'ended.sending',
  'commit.answering',
];
const RECEIVER_STEPS_OF_READING = ['acquire.received', 'acquire.answering', 'release.received', 'release.answering'];

function nameOf(step: string): string {
  return step.replace('.', '-');
}

function keysOf(step: string): string[] {
  return Array.from({ length: CHUNKS }, (_, index) => `${step}-${index}`);
}

/** Resolves to undefined if the agent refused the call or died during it. */
async function attempt<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isKvferryError(error)) return undefined;
    throw error;
  }
}

/** Agents that are started at once. A slow machine must start them within the time that a test waits for one. */
const AGENTS_AT_ONCE = 6;

async function inGroups<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let first = 0; first < items.length; first += AGENTS_AT_ONCE) {
    results.push(...(await Promise.all(items.slice(first, first + AGENTS_AT_ONCE).map(work))));
  }
  return results;
}

/** Options of a request whose last batch never comes. */
const unfinished = { last: false, totalChunks: CHUNKS + 1 };

describe.skipIf(missing !== undefined)(`killed agents${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  test(
    'T9, P14: sender killed at every step → pages free in time, router notified',
    async () => {
      await using cluster = await RealCluster.start();
      await cluster.agent('decode-0', 'decode', 'same-host', { args: timing });
      const steps = [...SENDER_STEPS, ...SENDER_STEPS_OF_CANCEL];
      const killed = await inGroups(steps, async (step) => {
        const name = nameOf(step);
        // At its start an agent asks for its own name, with the first two: in each version of the protocol.
        const failpoints = step === 'describe.sending' ? `${step}=kill@3` : `${step}=kill`;
        const agent = await cluster.agent(name, 'prefill', 'same-host', { args: timing, failpoints });
        await cluster.segment(name, keysOf(step));
        const cancelled = SENDER_STEPS_OF_CANCEL.includes(step);
        void attempt(cluster.put(name, step, keysOf(step), cancelled ? unfinished : {}));
        if (cancelled) {
          await cluster.statusWhen('decode-0', ({ requests }) =>
            requests.some((row) => row.request === step && row.state === 'running.receiving'),
          );
          void attempt(cluster.client.cancel(name, { request: step }));
        }
        return { step, how: await agent.ended, atMs: performance.now() };
      });
      expect(killed.filter(({ how }) => how !== 'SIGKILL')).toEqual([]);
      const lastMs = Math.max(...killed.map(({ atMs }) => atMs));
      const { pages } = await cluster.statusWhen('decode-0', (status) => status.pages?.free === 64);
      expect(performance.now() - lastMs).toBeLessThan(LEASE_MS + 1000);
      expect(pages).toMatchObject({ quarantined: 0, reserved: 0 });
      const ends = new Map(cluster.terminals.map(({ request, end, reason }) => [request, reason?.code ?? end]));
      expect(ends.size).toBe(cluster.terminals.length);
      for (const step of SENDER_STEPS_HEARD) expect([step, ends.get(step)]).toEqual([step, 'sender_lost']);
      for (const step of SENDER_STEPS_READY) expect([step, ends.get(step)]).toEqual([step, 'ready']);
      for (const step of SENDER_STEPS_OF_CANCEL) {
        // Before the abort reaches the receiver, it only detects the death of the sender.
        const end = step === 'cancel.received' || step === 'abort.sending' ? 'sender_lost' : 'cancelled_by_caller';
        expect([step, ends.get(step)]).toEqual([step, end]);
      }
      // A sender that died at any other step had not yet contacted the receiver, so no living agent knew the request.
      expect(ends.size).toBe(SENDER_STEPS_HEARD.length + SENDER_STEPS_READY.length + SENDER_STEPS_OF_CANCEL.length);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    'T10, P13: receiver restarted at every step → typed error in time, then it works',
    async () => {
      await using cluster = await RealCluster.start();
      await cluster.agent('prefill-0', 'prefill', 'same-host', { args: timing });
      const steps = [...RECEIVER_STEPS, ...RECEIVER_STEPS_OF_CANCEL, ...RECEIVER_STEPS_OF_READING];
      await cluster.segment('prefill-0', steps.flatMap(keysOf));
      const put = (step: string, request: string, more = {}) => {
        const offset = steps.indexOf(step) * CHUNKS * 65_536;
        const source = [{ segment: 'engine', offset, length: 65_536, count: CHUNKS }];
        return cluster.put('prefill-0', request, keysOf(step), {
          receiver: nameOf(step),
          timeoutMs: DEADLINE_MS,
          source,
          ...more,
        });
      };
      const plain = await connect({ servers: cluster.url });
      await inGroups(steps, async (step) => {
        const receiver = nameOf(step);
        const agent = await cluster.agent(receiver, 'decode', 'same-host', {
          args: timing,
          failpoints: `${step}=kill`,
        });
        const deadEpoch = cluster.epochOf(receiver);
        const cancelled = RECEIVER_STEPS_OF_CANCEL.includes(step);
        const accepted = await attempt(put(step, step, cancelled ? unfinished : {}));
        const putMs = performance.now();
        if (cancelled) {
          await cluster.statusWhen(receiver, ({ pages }) => pages?.ready === CHUNKS);
          const at = step === 'cancel.received' ? receiver : 'prefill-0';
          void attempt(cluster.client.cancel(at, { request: step }));
        }
        if (RECEIVER_STEPS_OF_READING.includes(step)) {
          await cluster.ended(step);
          const holder = { request: step, epoch: accepted?.epoch ?? '' };
          await attempt(cluster.client.acquire(receiver, holder, { timeoutMs: 1000 }));
          void attempt(cluster.client.release(receiver, holder, { timeoutMs: 1000 }));
        }
        expect([step, await agent.ended]).toEqual([step, 'SIGKILL']);
        const restart = () => cluster.agent(receiver, 'decode', 'same-host', { args: timing });
        const isInDoubt = RECEIVER_STEPS_OF_DOUBT.includes(step);
        if (isInDoubt) await restart();
        if (accepted !== undefined) {
          const { end, reason } = await cluster.ended(step);
          expect(performance.now() - putMs).toBeLessThan(DEADLINE_MS);
          if (end === 'failed') expect([step, reason?.code]).toEqual([step, 'receiver_lost']);
        }
        if (!isInDoubt) await restart();
        const again = `${step}-again`;
        const { epoch } = await put(step, again);
        expect(await cluster.ended(again)).toMatchObject({ end: 'ready', deduplicated: 0 });
        const acquired = await cluster.client.acquire(receiver, { request: again, epoch });
        expect(acquired.keys.toSorted()).toEqual(keysOf(step));
        expect(cluster.wrongPages(acquired)).toEqual([]);
        expect(acquired.arena.epoch).not.toBe(deadEpoch);
        // The pages belong to the dead process. Its subject has no subscriber, and its successor does not know these pages.
        const commit = {
          v: 2,
          request: step,
          epoch,
          batch: 0,
          part: 0,
          pages: [0, 1],
          generations: [1, 1],
          lengths: [{ length: 65_536, count: CHUNKS }],
        };
        const subject = (of: string) => `kvferry.v2.peer.${receiver}.${of}.prefill-0.commit`;
        await expect(plain.request(subject(deadEpoch), JSON.stringify(commit))).rejects.toThrow();
        const refused = await plain.request(subject(acquired.arena.epoch), JSON.stringify(commit));
        expect(refused.json()).toMatchObject({ ok: false, error: { code: 'unknown_request' } });
      });
      expect(new Set(cluster.terminals.map(({ request }) => request)).size).toBe(cluster.terminals.length);
      await plain.close();
    },
    TEST_TIMEOUT_MS,
  );
});
