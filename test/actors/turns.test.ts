/** Work of many requests at once is spread over turns of the event loop. */
import { expect, test } from 'vitest';
import { Turns } from '../../src/actors/env/turns.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import { PAGE_BYTES, useCluster } from './support.js';

const clusters = useCluster();
const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);

test('P30: 40 pieces of work at once → 16 in each turn, in order', async () => {
  const clock = new SimulatedClock();
  const turns = new Turns(clock);
  const done: number[] = [];
  for (const number of numbers(40)) void turns.next(0).then(() => done.push(number));
  const counts: number[] = [];
  do {
    await clock.advance(0);
    counts.push(done.length);
  } while (await clock.step(0));
  expect([counts.at(-1), done]).toEqual([40, numbers(40)]);
});

test('P30: work about many chunks → fewer pieces in a turn', async () => {
  const clock = new SimulatedClock();
  const done: number[] = [];
  const all = new Turns(clock).each(
    numbers(3),
    () => 8192,
    (number) => done.push(number),
  );
  expect(done).toEqual([0]);
  await clock.advance(0);
  await all;
  expect(done).toEqual([0, 1, 2]);
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
  const waiting = names.slice(1).map((name) => [name, 'failed', 'receiver_lost']);
  expect(ends()).toEqual([...waiting, ['r0', 'failed', 'connection_lost']]);
  expect((await world.status('prefill-0')).requests).toEqual([]);
});
