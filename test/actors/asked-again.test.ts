/** P25: what an agent reports once can be asked for, and a message is repeated while the other agent lives. */
import { expect, test } from 'vitest';
import type { Agent } from '../../src/actors/agent/agent-actor.js';
import { type Cluster, defaults, patternOf, useCluster } from './support.js';

const clusters = useCluster();
const keys = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7'];

interface Made {
  readonly made: Cluster;
  readonly decode: Agent;
  readonly heir: Agent;
}

/** One decode agent, and three prefill agents with the same keys. The heir is `prefill-1`. */
async function cluster(arenaPages = 8): Promise<Made> {
  const made = clusters.create();
  const decode = await made.agent('decode-0', 'decode', { arena: { ...defaults.arena, pages: arenaPages } });
  const senders: Agent[] = [];
  for (const agent of ['prefill-0', 'prefill-1', 'prefill-2']) {
    senders.push(await made.agent(agent, 'prefill'));
    await made.segment(agent, 'engine', keys);
  }
  return { made, decode, heir: senders[1] as Agent };
}

/** The request a of prefill-0 holds its write, and b of prefill-1 has joined it. */
async function joined({ made }: Made, options: object = {}) {
  const writes = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  await made.put('prefill-0', 'a', ['k0']);
  await made.clock.until(() => writes.held > 0);
  await made.put('prefill-1', 'b', ['k0'], options);
  await made.clock.advance(100);
  return writes;
}

/** Loses the first message that fits. */
function loseFirst(made: Cluster, isIt: (subject: string, kind: string) => boolean): { readonly lost: boolean } {
  const state = { lost: false };
  made.network.fate = ({ subject, kind }) => {
    const isLost = !state.lost && isIt(subject, kind);
    state.lost ||= isLost;
    return { copies: isLost ? 0 : 1, delayMs: 0 };
  };
  return state;
}

test('P25: the answer to a hand-over is lost → the request goes on', async () => {
  const its = await cluster();
  const { made } = its;
  await joined(its, { last: false, totalChunks: 2 });
  const answer = loseFirst(made, (subject, kind) => kind === 'reply' && subject.endsWith('.handover'));
  await made.call('prefill-0', 'cancel', { request: 'a' });
  await made.clock.advance(3000);
  expect(answer.lost).toBe(true);
  await made.put('prefill-1', 'b', ['k1'], { batch: 1, totalChunks: 2, first: 1 });
  expect(await made.ended('b')).toMatchObject({ end: 'ready' });
});

test('P29, T19: a hand-over repeated after its write broke → the page is quarantined', async () => {
  const { made } = await cluster(2);
  const held = made.fabrics.holdWrites(({ from }) => !from.startsWith('prefill-2'));
  await made.put('prefill-0', 'a', ['k0']);
  await made.clock.until(() => held.held > 0);
  await made.put('prefill-1', 'b', ['k0']);
  await made.clock.advance(100);
  // For a time nothing that the heir sends arrives. It takes the hand-over, and its write breaks.
  let isMuted = true;
  made.network.fate = ({ from }) => ({ copies: isMuted && from === 'prefill-1' ? 0 : 1, delayMs: 0 });
  await made.call('prefill-0', 'cancel', { request: 'a' });
  await made.clock.until(() => held.held === 2, 2000);
  await made.clock.advance(100);
  made.fabrics.breakConnections((from) => from.startsWith('prefill-1'));
  await made.clock.advance(300);
  isMuted = false;
  await made.clock.advance(150);
  const { epoch } = await made.put('prefill-2', 'c', ['k5'], { first: 5 });
  expect(await made.ended('c')).toMatchObject({ end: 'ready' });
  // The late bytes of the heir.
  held.release();
  await made.clock.advance(1);
  const acquired = await made.call('decode-0', 'acquire', { request: 'c', epoch });
  expect(made.pages(acquired)).toEqual(new Map([['k5', patternOf('k5')]]));
  expect(made.terminals.filter(({ request }) => request === 'b')).toMatchObject([{ end: 'failed' }]);
});

test('P25: the heir is away from NATS when chunks are handed over → it gets them later', async () => {
  const its = await cluster();
  const { made, heir } = its;
  await joined(its, { timeoutMs: 60_000 });
  made.clock.setTimeout(() => {
    const cancel = JSON.stringify({ v: 2, request: 'a' });
    void made.client.request('kvferry.v2.agent.prefill-0.default.cancel', cancel, { timeoutMs: 5000 });
  }, 100);
  await made.cutOff(heir, 1200);
  const cutOffMs = made.clock.now();
  expect(await made.ended('b')).toMatchObject({ end: 'ready' });
  expect(made.clock.now() - cutOffMs).toBeLessThan(2000);
});

test('P25: the notice of a joined chunk is lost → its source memory comes back', async () => {
  const its = await cluster();
  const { made } = its;
  const writes = await joined(its, { last: false, totalChunks: 2 });
  const notice = loseFirst(made, (subject) => subject.endsWith('.joined'));
  writes.release();
  expect(await made.ended('a')).toMatchObject({ end: 'ready' });
  await made.clock.advance(1100);
  expect(notice.lost).toBe(true);
  const released = made.released.filter(({ request }) => request === 'b');
  expect(released.flatMap(({ positions }) => positions)).toEqual([0]);
});

test('P25: the notice of an admitted batch is lost → it is written all the same', async () => {
  const { made } = await cluster(2);
  const x = await made.put('prefill-0', 'x', ['k6', 'k7'], { first: 6 });
  await made.ended('x');
  await made.put('prefill-1', 'q', ['k0', 'k1']);
  await made.clock.advance(100);
  const notice = loseFirst(made, (subject) => subject.endsWith('.allocated'));
  await made.call('decode-0', 'release', { request: 'x', epoch: x.epoch });
  expect(await made.ended('q')).toMatchObject({ end: 'ready', bytes: 128 });
  expect(notice.lost).toBe(true);
});

test('P8: a batch that waits for pages is answered at once, and then not sent again', async () => {
  const { made } = await cluster(2);
  const x = await made.put('prefill-0', 'x', ['k6', 'k7'], { first: 6 });
  await made.ended('x');
  let sent = 0;
  made.network.fate = ({ subject, kind }) => {
    if (kind === 'message' && subject.endsWith('.allocate')) sent += 1;
    return { copies: 1, delayMs: 0 };
  };
  await made.put('prefill-1', 'q', ['k0', 'k1']);
  await made.clock.advance(20_000);
  await made.call('decode-0', 'release', { request: 'x', epoch: x.epoch });
  expect(await made.ended('q')).toMatchObject({ end: 'ready' });
  expect(sent).toBe(1);
});

test('P25: the receiver is asked before `allocate` reaches it → the request goes on', async () => {
  const { made } = await cluster();
  const deliveredMs = made.clock.now() + 2500;
  let asked = 0;
  made.network.fate = ({ subject, kind }) => {
    if (kind === 'message' && subject.endsWith('.inquire')) asked += 1;
    const isLost = subject.endsWith('.allocate') && made.clock.now() < deliveredMs;
    return { copies: isLost ? 0 : 1, delayMs: 0 };
  };
  await made.put('prefill-1', 'b', ['k0']);
  expect(await made.ended('b')).toMatchObject({ end: 'ready' });
  expect(asked).toBeGreaterThan(0);
});

test('P5: a batch is allocated for another remote key → it is written under its own', async () => {
  const { made, heir } = await cluster(2);
  const x = await made.put('prefill-0', 'x', ['k6', 'k7'], { first: 6 });
  await made.ended('x');
  await made.put('prefill-1', 'q', ['k0']);
  await made.clock.advance(100);
  const allocation = { grant: 'revoked', pages: [0], generations: [1], alreadySent: [], joined: [] };
  const notice = { v: 2, request: 'q', epoch: heir.epoch, batch: 0, allocation };
  made.client.publish(`kvferry.v2.peer.prefill-1.${heir.epoch}.decode-0.allocated`, JSON.stringify(notice));
  await made.clock.advance(2000);
  expect(made.terminals.map(({ request }) => request)).toEqual(['x']);
  await made.call('decode-0', 'release', { request: 'x', epoch: x.epoch });
  const { end } = await made.ended('q');
  const acquired = await made.call('decode-0', 'acquire', { request: 'q', epoch: heir.epoch });
  expect({ end, pages: made.pages(acquired) }).toEqual({ end: 'ready', pages: new Map([['k0', patternOf('k0')]]) });
});
