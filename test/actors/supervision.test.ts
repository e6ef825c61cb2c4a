/** What throws ends what it was about, and no more; what cannot be trusted fences itself. */
import { expect, test, vi } from 'vitest';
import { CRASHES_MAX } from '../../src/actors/running/supervisor.js';
import { RequestActor } from '../../src/actors/sending/request-actor.js';
import { Store } from '../../src/store/store.js';
import { type Cluster, useCluster } from './support.js';

const clusters = useCluster();
const keys = ['k0', 'k1', 'k2', 'k3'];

async function cluster() {
  const made = clusters.create();
  const decode = await made.agent('decode-0', 'decode');
  const prefill = await made.agent('prefill-0', 'prefill');
  await made.segment('prefill-0', 'engine', keys);
  return { made, decode, prefill };
}

/** The fabric of one connection throws where the port says it never does. */
function breakWrites(made: Cluster, times: number): void {
  for (let time = 0; time < times; time += 1) made.fabrics.throwOnNextWrite(new TypeError('a bug'));
}

test('an actor throws → only its own request fails, with the reason', async () => {
  const { made } = await cluster();
  breakWrites(made, 1);
  await made.put('prefill-0', 'broken', ['k0']);
  await made.put('prefill-0', 'sound', ['k1'], { first: 1 });
  expect(await made.ended('broken')).toMatchObject({ end: 'failed', reason: { code: 'internal' } });
  expect(await made.ended('sound')).toMatchObject({ end: 'ready' });
  const { counters, state, segments } = await made.status('prefill-0');
  expect(state).toBe('running');
  expect(counters).toMatchObject({ actors_crashed: 1 });
  expect(segments.find(({ segment }) => segment === 'engine')?.chunksInUse).toBe(0);
  await made.clock.advance(10_000);
  expect((await made.status('decode-0')).pages).toMatchObject({ free: 7, ready: 1, quarantined: 0 });
});

test('an actor that throws has ended, says the journal, once and with the reason', async () => {
  const { made } = await cluster();
  breakWrites(made, 1);
  await made.put('prefill-0', 'broken', ['k0']);
  await made.ended('broken');
  await made.clock.advance(1000);
  const { entries } = await made.call('prefill-0', 'journal', { request: 'broken' });
  const ends = entries.filter((entry) => entry.kind === 'state' && entry.done);
  expect(ends).toMatchObject([
    { machine: 'transfer', event: 'failed', from: 'writing', to: 'writing', reason: { code: 'internal' } },
    { machine: 'request', to: 'ended', reason: { code: 'internal' } },
  ]);
});

/** Everything that the receiver sends to the sender after the commit has arrived is lost, until `mend` is called. */
function muteAfterCommit(made: Cluster): { mend(): void } {
  let isMuted = false;
  made.network.fate = ({ subject, from, to, kind }) => {
    isMuted ||= kind === 'message' && subject.endsWith('.commit');
    return { copies: isMuted && from === 'decode-0' && to === 'prefill-0' ? 0 : 1, delayMs: 0 };
  };
  return {
    mend: () => {
      made.network.fate = () => ({ copies: 1, delayMs: 0 });
    },
  };
}

test.each(['cancelTransfers', 'sendAbort'] as const)(
  'P12: a request throws in doubt, in %s → it announces no end',
  async (effect) => {
    const { made } = await cluster();
    const { mend } = muteAfterCommit(made);
    await made.put('prefill-0', 'r1', ['k0']);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
    const bug = vi.spyOn(RequestActor.prototype, effect).mockImplementationOnce(() => {
      throw new TypeError('a bug');
    });
    await made.call('prefill-0', 'cancel', { request: 'r1' });
    await made.clock.advance(100);
    mend();
    await made.clock.advance(60_000);
    bug.mockRestore();
    expect(made.terminals.map(({ end }) => end)).toEqual(['ready']);
    const { counters, requestsTotal } = await made.status('prefill-0');
    expect([counters.actors_crashed, counters.ends_unknown, requestsTotal]).toEqual([1, 1, 0]);
  },
);

test('P12: a request throws in doubt, its commit never arrived → the receiver ends it', async () => {
  const { made } = await cluster();
  made.network.fate = ({ subject }) => ({ copies: subject.endsWith('.commit') ? 0 : 1, delayMs: 0 });
  await made.put('prefill-0', 'r1', ['k0']);
  await made.clock.advance(100);
  const bug = vi.spyOn(RequestActor.prototype, 'cancelTransfers').mockImplementationOnce(() => {
    throw new TypeError('a bug');
  });
  await made.call('prefill-0', 'cancel', { request: 'r1' });
  await made.clock.advance(60_000);
  bug.mockRestore();
  expect(made.terminals).toMatchObject([
    { end: 'failed', reason: { code: 'internal' }, receiverEpoch: expect.anything() },
  ]);
});

test('actors keep failing → the agent fences itself, with the reason', async () => {
  const { made, prefill } = await cluster();
  breakWrites(made, CRASHES_MAX + 1);
  for (let index = 0; index <= CRASHES_MAX; index += 1) {
    await made.put('prefill-0', `r${index}`, ['k0']);
    expect(await made.ended(`r${index}`)).toMatchObject({ end: 'failed', reason: { code: 'internal' } });
  }
  expect(await made.settle(prefill.ended)).toEqual({
    fenced: { code: 'agent_fenced', message: '21 actors failed within 60000 ms, the last one: TypeError: a bug' },
  });
  expect((await made.status('decode-0')).peers).toEqual([]);
});

test('an invariant is broken → every request ends, no access, the process ends', async () => {
  const { made, decode } = await cluster();
  const ready = await made.put('prefill-0', 'ready', ['k0']);
  await made.ended('ready');
  const writes = made.fabrics.holdWrites();
  await made.put('prefill-0', 'arriving', ['k1'], { first: 1 });
  await made.clock.until(() => writes.held > 0);
  const check = vi.spyOn(Store.prototype, 'checkCounts').mockReturnValue('2 + 2 pages are not 5');

  await made.clock.until(() => made.terminals.some(({ request }) => request === 'arriving'));
  expect(await made.ended('arriving')).toMatchObject({
    end: 'failed',
    reason: { code: 'agent_fenced', message: 'the store has lost an invariant: 2 + 2 pages are not 5' },
  });
  const read = made.call('decode-0', 'acquire', { request: 'ready', epoch: ready.epoch });
  await expect(read).rejects.toMatchObject({ code: expect.stringMatching(/agent_fenced|no_responders/) });
  expect(await made.settle(decode.ended)).toMatchObject({ fenced: { code: 'agent_fenced' } });
  // Only the remote key stood between the late bytes and the arena.
  expect(made.fabrics.revoked).toHaveLength(1);
  check.mockRestore();
});

test('a command that finds something impossible is a lost invariant too', async () => {
  const { made, decode } = await cluster();
  const execute = vi.spyOn(Store.prototype, 'execute').mockImplementationOnce(() => {
    throw new TypeError('cannot read properties of undefined');
  });
  const asked = made.call('decode-0', 'acquire', { request: 'r', epoch: '00000000000000ff', keys: ['k0'] });
  await expect(asked).rejects.toMatchObject({ code: 'internal' });
  execute.mockRestore();
  expect(await made.settle(decode.ended)).toMatchObject({
    fenced: { code: 'agent_fenced', message: expect.stringContaining('acquire: cannot read properties') },
  });
});
