/** Work of many requests at once is spread over turns of the event loop. */
import { expect, test } from 'vitest';
import { Turns } from '../../src/actors/env/turns.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import { PAGE_BYTES, useCluster } from './support.js';

const clusters = useCluster();
const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);

/** Runs turn after turn, and returns how many pieces were done after each. */
async function countsOf(clock: SimulatedClock, done: readonly unknown[]): Promise<number[]> {
  const counts: number[] = [];
  await new Promise((resolve) => setImmediate(resolve));
  do counts.push(done.length);
  while (await clock.step(0));
  return counts;
}

test('P30: 20 pieces of work at once → 8 in each turn, in order', async () => {
  const clock = new SimulatedClock();
  const turns = new Turns(clock);
  const done: number[] = [];
  for (const number of numbers(20)) void turns.next(0).then(() => done.push(number));
  expect([await countsOf(clock, done), done]).toEqual([[8, 16, 20], numbers(20)]);
});

test('P30: many senders are lost at once → their requests share the turns', async () => {
  const clock = new SimulatedClock();
  const turns = new Turns(clock);
  const done: number[] = [];
  const one = () => 0;
  const all = numbers(5).map((sender) => turns.each(numbers(3), one, (request) => done.push(10 * sender + request)));
  expect(await countsOf(clock, done)).toEqual([6, 12, 15]);
  await Promise.all(all);
  expect(done).toEqual(numbers(5).flatMap((sender) => numbers(3).map((request) => 10 * sender + request)));
});

test('P30: work about many chunks → fewer pieces in a turn', async () => {
  const clock = new SimulatedClock();
  const done: number[] = [];
  const many = () => 8192;
  const all = new Turns(clock).each(numbers(3), many, (number) => done.push(number));
  expect(await countsOf(clock, done)).toEqual([1, 2, 3, 3]);
  await all;
});

/** A cluster whose sender has put 50 requests of one chunk, and their names. No write ends. */
async function writing(pages: number) {
  const world = clusters.create();
  const arena = { directory: '/memory', pages, pageBytes: PAGE_BYTES };
  const decode = await world.agent('decode-0', 'decode', { arena });
  await world.agent('prefill-0', 'prefill');
  await world.segment('prefill-0', 'engine', ['a']);
  const held = world.fabrics.holdWrites();
  const names = numbers(50).map((number) => `r${number}`);
  for (const name of names) await world.put('prefill-0', name, [name]);
  await world.clock.until(() => held.held === pages);
  const ends = () => world.terminals.map(({ request, end, reason }) => [request, end, reason?.code]);
  return { world, decode, names, ends };
}

test('T25: a connection breaks under 50 writes → each request fails once, in order', async () => {
  const { world, names, ends } = await writing(50);
  world.fabrics.breakConnections();
  await world.clock.advance(2000);
  expect(ends()).toEqual(names.map((name) => [name, 'failed', 'connection_lost']));
  expect((await world.status('decode-0')).pages).toMatchObject({ free: 50, quarantined: 0 });
  expect((await world.status('prefill-0')).requests).toEqual([]);
});

test('T25: a receiver dies while 49 requests wait → each request fails once, in order', async () => {
  const { world, decode, names, ends } = await writing(1);
  world.kill(decode);
  await world.clock.advance(10_000);
  expect(ends()).toEqual(names.map((name) => [name, 'failed', 'receiver_lost']));
  expect((await world.status('prefill-0')).requests).toEqual([]);
});
