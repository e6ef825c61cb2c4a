/** P12, P17: whatever happens to one agent of a request over several ranks, the request gets one event. */
import { describe, expect, test, vi } from 'vitest';
import type { Agent } from '../../src/actors/agent/agent-actor.js';
import { IngestActor } from '../../src/actors/receiving/ingest-actor.js';
import { isKvferryError } from '../../src/protocol/errors.js';
import { names, Ranked } from './ranked.js';
import { type Cluster, useCluster } from './support.js';

const clusters = useCluster();
const TIMEOUT_MS = 8000;
/** Longer than any deadline of these requests, and than what follows it. */
const LONG_MS = 30_000;

const strikes = {
  drains: ({ stop }: Struck) => stop(),
  'is killed': ({ kill }: Struck) => kill(),
  'is replaced': ({ stop, start }: Struck) => {
    stop();
    start(0);
  },
  'is restarted': ({ kill, start }: Struck) => {
    kill();
    start(300);
  },
  'is stopped': ({ halt }: Struck) => halt(6000),
} as const;
type Strike = keyof typeof strikes;

interface Struck {
  stop(): void;
  kill(): void;
  start(afterMs: number): void;
  halt(forMs: number): void;
}

const agents = ['decode-0', 'prefill-0', 'decode-1', 'prefill-1'] as const;
type Name = (typeof agents)[number];
/** Before the puts, after each put, at a message, or after all. */
const moments = ['before', 'between', 'report', 'admit', 'prepare', 'confirm', 'verdict', 'appeal', 'after'] as const;
const orders = [[0], [1], [0, 1], [1, 0]] as const;

/** The agent may be struck once. */
function struckBy(made: Cluster, name: Name, agent: Agent, strike: Strike): () => void {
  let isStruck = false;
  const role = name.startsWith('decode') ? 'decode' : 'prefill';
  return () => {
    if (isStruck) return;
    isStruck = true;
    strikes[strike]({
      stop: () => void agent.stop(),
      kill: () => made.kill(agent),
      start: (afterMs) => made.clock.setTimeout(() => void made.agent(name, role), afterMs),
      halt: (forMs) => {
        made.halt(agent);
        made.clock.setTimeout(() => made.goOn(agent), forMs);
      },
    });
  };
}

/** The engines of both ranks hold leases, so that a decode agent that drains stays for a while. */
async function leases(ranked: Ranked): Promise<void> {
  for (const { rank, sender, receiver, keys } of ranked.ranks) {
    await ranked.made.put(sender, `held${rank}`, keys.slice(0, 1), { receiver });
    await ranked.made.ended(`held${rank}`);
  }
}

function leasesMatter(strike: Strike): boolean {
  return strike === 'drains' || strike === 'is replaced';
}

/** Puts these ranks and strikes one agent at that moment. Returns how many puts were accepted, and the ends. */
async function world(name: Name, strike: Strike, moment: string, order: readonly number[], withLeases: boolean) {
  const made = clusters.create();
  const ranked = await Ranked.create(made, 2);
  if (withLeases) await leases(ranked);
  const rank = ranked.rank(name.endsWith('0') ? 0 : 1);
  const hit = struckBy(made, name, name.startsWith('decode') ? rank.decode : rank.prefill, strike);
  made.network.fate = ({ subject }) => {
    if (subject.endsWith(`.${moment}`)) made.clock.setTimeout(hit, 0);
    return { copies: 1, delayMs: 1 };
  };
  if (moment === 'before') hit();
  await made.clock.advance(200);
  let accepted = 0;
  for (const put of order) {
    await ranked.put(put, 'r1', { timeoutMs: TIMEOUT_MS }).then(
      () => {
        accepted += 1;
      },
      (error: unknown) => expect(isKvferryError(error)).toBe(true),
    );
    await made.clock.advance(100);
    if (moment === 'between') hit();
  }
  if (moment === 'after') hit();
  const ends = await ranked.published('r1', LONG_MS);
  await made.stop();
  return { accepted, ends };
}

/**
 * The lead asked the sender of rank 0 to agree, died before it announced the end, and no process has its name. The sender
 * announces nothing, because the lead may have.
 */
function isUnknowable(name: Name, strike: Strike, moment: string): boolean {
  return name === 'decode-0' && strike === 'is killed' && (moment === 'confirm' || moment === 'verdict');
}

describe.each(agents)('%s', (name) => {
  test.each(Object.keys(strikes) as Strike[])('P12, P17: it %s, at any moment → one event', async (strike) => {
    for (const moment of moments) {
      for (const order of orders) {
        for (const withLeases of leasesMatter(strike) ? [false, true] : [false]) {
          const about = `${moment}, ranks ${order} put, ${withLeases ? 'with' : 'without'} leases`;
          const { accepted, ends } = await world(name, strike, moment, order, withLeases);
          const fewest = accepted === 0 || isUnknowable(name, strike, moment) ? 0 : 1;
          expect([about, ends.length >= fewest && ends.length <= Math.min(accepted, 1)]).toEqual([about, true]);
        }
      }
    }
  });
});

describe('the lead does not run', () => {
  test('P17: rank 0 was never put → its sender announces failed, and refuses a late put', async () => {
    const ranked = await Ranked.create(clusters.create(), 3);
    const { made } = ranked;
    made.kill(ranked.rank(0).decode);
    for (const rank of [1, 2]) await ranked.put(rank, 'r1', { timeoutMs: TIMEOUT_MS });
    expect(await made.ended('r1')).toMatchObject({ end: 'failed', sender: 'prefill-0', receiver: 'decode-0' });
    await made.agent('decode-0', 'decode');
    const late = await ranked.put(0).catch((error: unknown) => error);
    expect(isKvferryError(late, 'request_ended')).toBe(true);
    expect(await ranked.published()).toEqual([['failed', 'receiver_lost']]);
    expect(await ranked.recorded([...names(ranked, 1, 2), 'prefill-0'])).toEqual(
      Array.from({ length: 5 }, () => 'failed'),
    );
  });

  test('P17: an agent without an arena is named as the lead → failed, once', async () => {
    const ranked = await Ranked.create(clusters.create(), 2);
    const members = [{ sender: 'prefill-0', receiver: 'prefill-1' }, ...ranked.members.slice(1)];
    await ranked.put(1, 'r1', { ranks: { rank: 1, members } });
    expect(await ranked.published()).toEqual([['failed', 'role_mismatch']]);
  });

  test('P12, P17: the lead asked and is cut off → the sender of rank 0 is silent', async () => {
    const ranked = await Ranked.create(clusters.create(), 2);
    const { made } = ranked;
    await ranked.put(1, 'r1', { timeoutMs: 1000 });
    let cut = false;
    made.network.fate = ({ subject, kind, from, to }) => {
      // The lead is gone for everybody when it has the answer, but its event reaches the router.
      if (kind === 'reply' && subject.endsWith('.confirm')) made.clock.setTimeout(() => (cut = true), 1);
      const isLead = from === 'decode-0' || to === 'decode-0';
      const isLost = subject.endsWith('.verdict') || (cut && isLead && from !== 'client' && to !== 'client');
      return { copies: isLost ? 0 : 1, delayMs: 0 };
    };
    expect(await ranked.published('r1', 20_000)).toEqual([['expired', 'deadline_exceeded']]);
    expect((await made.status('prefill-0')).counters).toMatchObject({ ends_unknown: 1 });
    made.network.fate = () => ({ copies: 1, delayMs: 0 });
    const late = await ranked.put(0).catch((error: unknown) => error);
    expect(isKvferryError(late, 'request_ended')).toBe(true);
  });
});

describe('the lead cannot take the request', () => {
  test('P17: it drains, and its engine holds leases → failed at once', async () => {
    const ranked = await Ranked.create(clusters.create(), 2);
    const { made } = ranked;
    await leases(ranked);
    void ranked.rank(0).decode.stop();
    await made.clock.advance(100);
    await ranked.put(1);
    expect(await ranked.published('r1', 1000)).toEqual([['failed', 'agent_draining']]);
    expect(await ranked.recorded(names(ranked, 1))).toEqual(['failed', 'failed']);
  });

  test('P17: it leads too many requests → the next one fails at once', async () => {
    const ranked = await Ranked.create(clusters.create(), 2, { requestsMax: 1 });
    const { made, members } = ranked;
    await ranked.put(1, 'r0');
    await made.clock.advance(100);
    await made.agent('prefill-2', 'prefill');
    await made.agent('decode-2', 'decode');
    await made.segment('prefill-2', 'engine', ['other']);
    const third = { rank: 2, members: [...members, { sender: 'prefill-2', receiver: 'decode-2' }] };
    await made.put('prefill-2', 'r1', ['other'], { receiver: 'decode-2', ranks: third });
    expect(await ranked.published('r1', 1000)).toEqual([['failed', 'too_many_requests']]);
  });

  test('P17: the arrival of its own rank throws → failed, once', async () => {
    const ranked = await Ranked.create(clusters.create(), 2);
    const broken = vi.spyOn(IngestActor.prototype, 'reportRank').mockImplementationOnce(() => {
      throw new TypeError('a bug');
    });
    await ranked.put(0);
    await ranked.made.clock.advance(100);
    broken.mockRestore();
    expect(await ranked.published('r1', 1000)).toEqual([['failed', 'internal']]);
  });
});

describe('the deadline passes before the loss of the lead is declared', () => {
  test('P12, P17: its sender announces failed → no rank shows expired', async () => {
    const ranked = await Ranked.create(clusters.create(), 2);
    const { made } = ranked;
    await ranked.putFirst(1, { timeoutMs: 3000 });
    await made.clock.advance(1000);
    made.kill(ranked.rank(0).decode);
    expect(await ranked.published('r1', LONG_MS)).toEqual([['failed', 'receiver_lost']]);
    expect(await ranked.recorded(['prefill-0', ...names(ranked, 1)])).toEqual(['failed', 'failed', 'failed']);
  });

  test('P12, P17: the next process announces failed → for the loss of the lead', async () => {
    const ranked = await Ranked.create(clusters.create(), 2);
    const { made } = ranked;
    await ranked.putFirst(0, { timeoutMs: 3000 });
    await made.clock.advance(2900);
    made.kill(ranked.rank(0).decode);
    await made.clock.advance(200);
    await made.agent('decode-0', 'decode');
    expect(await ranked.published('r1', LONG_MS)).toEqual([['failed', 'receiver_lost']]);
  });
});

describe('both agents of rank 0 are gone, and another process has the name of the lead', () => {
  /** Only rank 1 is put. The sender of rank 0 dies, and then the lead. */
  async function killed(leadDiesAtMs: number, nextAfterMs: number) {
    const ranked = await Ranked.create(clusters.create(), 2);
    const { made } = ranked;
    await ranked.put(1, 'r1', { timeoutMs: TIMEOUT_MS });
    await made.clock.advance(500);
    made.kill(ranked.rank(0).prefill);
    await made.clock.advance(leadDiesAtMs - 500);
    made.kill(ranked.rank(0).decode);
    await made.clock.advance(nextAfterMs);
    await made.agent('decode-0', 'decode');
    return ranked;
  }

  test.each([200, 2000, 5000])(
    'P12, P17: it starts %i ms after the lead died → it announces failed',
    async (afterMs) => {
      const ranked = await killed(1000, afterMs);
      expect(await ranked.published('r1', LONG_MS)).toEqual([['failed', 'receiver_lost']]);
      expect(ranked.made.terminals[0]).toMatchObject({ sender: 'prefill-1', receiver: 'decode-1' });
      expect(await ranked.recorded(names(ranked, 1))).toEqual(['failed', 'failed']);
    },
  );

  test('P12, P17: the lead dies just before the deadline → the next one announces', async () => {
    const ranked = await killed(TIMEOUT_MS - 100, 4000);
    expect(await ranked.published('r1', LONG_MS)).toEqual([['failed', 'receiver_lost']]);
    expect(await ranked.recorded(names(ranked, 1))).toEqual(['failed', 'failed']);
  });

  test('P12, P17: the lead is only stopped → it announces, and not the next one', async () => {
    const ranked = await Ranked.create(clusters.create(), 2);
    const { made } = ranked;
    await ranked.put(1, 'r1', { timeoutMs: TIMEOUT_MS });
    await made.clock.advance(500);
    made.kill(ranked.rank(0).prefill);
    made.halt(ranked.rank(0).decode);
    await made.agent('decode-0', 'decode');
    expect(await ranked.published('r1', LONG_MS)).toEqual([]);
    made.goOn(ranked.rank(0).decode);
    expect(await ranked.published('r1', LONG_MS)).toHaveLength(1);
    expect(made.terminals).toMatchObject([{ end: 'failed', receiverEpoch: ranked.rank(0).decode.epoch }]);
  });

  test('P12, P17: it drains past the deadline and dies → the next one announces', async () => {
    const ranked = await Ranked.create(clusters.create(), 2);
    const { made } = ranked;
    await leases(ranked);
    const putMs = made.clock.now();
    await ranked.put(1, 'r1', { timeoutMs: TIMEOUT_MS });
    await made.clock.advance(100);
    made.kill(ranked.rank(0).prefill);
    void ranked.rank(0).decode.stop();
    // It asks the sender of rank 0 for its agreement.
    await made.clock.advance(putMs + TIMEOUT_MS + 1000 - made.clock.now());
    expect(made.terminals.filter(({ request }) => request === 'r1')).toEqual([]);
    made.kill(ranked.rank(0).decode);
    await made.agent('decode-0', 'decode');
    expect(await ranked.published('r1', LONG_MS)).toEqual([['failed', 'receiver_lost']]);
    expect(await ranked.recorded(names(ranked, 1))).toEqual(['failed', 'failed']);
  });
});

describe('the lead was restarted', () => {
  test('P12, P17: the sender of rank 0 is stopped for a moment → the lead waits for it', async () => {
    const ranked = await Ranked.create(clusters.create(), 2);
    const { made } = ranked;
    await ranked.put(0, 'r1', { timeoutMs: TIMEOUT_MS });
    await made.clock.advance(100);
    made.kill(ranked.rank(0).decode);
    await made.agent('decode-0', 'decode');
    made.halt(ranked.rank(0).prefill);
    await ranked.put(1, 'r1', { timeoutMs: TIMEOUT_MS });
    await made.clock.advance(100);
    await made.call('decode-0', 'cancel', { request: 'r1' });
    await made.clock.advance(1500);
    expect(made.terminals).toEqual([]);
    made.goOn(ranked.rank(0).prefill);
    expect(await ranked.published()).toHaveLength(1);
  });

  test('P12, P17: the sender of rank 0 agreed with the new lead → that lead announces', async () => {
    const ranked = await Ranked.create(clusters.create(), 2);
    const { made } = ranked;
    await ranked.put(0, 'r1', { timeoutMs: TIMEOUT_MS });
    await made.clock.advance(100);
    made.kill(ranked.rank(0).decode);
    // The sender does not learn of the restart before it is asked.
    made.network.fate = ({ subject, to }) => ({
      copies: /heartbeat/.test(subject) && to === 'prefill-0' ? 0 : 1,
      delayMs: 0,
    });
    await made.agent('decode-0', 'decode');
    await ranked.put(1, 'r1', { timeoutMs: TIMEOUT_MS });
    await made.clock.advance(100);
    await made.call('decode-0', 'cancel', { request: 'r1' });
    await made.clock.advance(100);
    made.network.fate = () => ({ copies: 1, delayMs: 0 });
    expect(await ranked.published()).toEqual([['cancelled', 'cancelled_by_caller']]);
  });
});
