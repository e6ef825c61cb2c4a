import { expect, test } from 'vitest';
import { type MemoryControl, MemoryControlNetwork } from '../../../../src/proof/simulation/memory-control.js';
import { SimulatedClock } from '../../../../src/proof/simulation/simulated-clock.js';
import { NatsServers } from '../../../../src/proof/simulation/world/nats-servers.js';
import { toFailure } from '../../../../src/protocol/codec.js';

/** Participants a and b are at server 0, c is at server 1, and no fault of a server affects `observer`. */
function cluster(): {
  clock: SimulatedClock;
  servers: NatsServers;
  read: string[];
  of: (name: string) => MemoryControl;
  ask: (from: string, to: string) => Promise<string>;
} {
  const clock = new SimulatedClock();
  const network = new MemoryControlNetwork(clock);
  const places = new Map([
    ['a', 0],
    ['b', 0],
    ['c', 1],
  ]);
  const servers = new NatsServers(network, (participant) => places.get(participant));
  const read: string[] = [];
  const participants = new Map<string, MemoryControl>();
  for (const name of [...places.keys(), 'observer']) {
    const control = network.connect(name);
    participants.set(name, control);
    control.subscribe(`to.${name}`, ({ body, respond }) => {
      read.push(`${name} reads ${body}`);
      respond('yes');
    });
  }
  const of = (name: string) => participants.get(name) as MemoryControl;
  const ask = (from: string, to: string) =>
    of(from)
      .request(`to.${to}`, `a question of ${from}`, { timeoutMs: 100 })
      .catch((error: unknown) => toFailure(error).code);
  return { clock, servers, read, of, ask };
}

async function answers(clock: SimulatedClock, asked: readonly Promise<string>[]): Promise<string[]> {
  await clock.advance(200);
  return Promise.all(asked);
}

test('a participant that is not connected → no responders, and its own messages fail', async () => {
  const { clock, of, ask } = cluster();
  of('b').setConnected(false);
  expect(await answers(clock, [ask('a', 'b'), ask('b', 'a')])).toEqual(['no_responders', 'disconnected']);
  of('b').setConnected(true);
  expect(await answers(clock, [ask('a', 'b'), ask('b', 'a')])).toEqual(['yes', 'yes']);
});

test('a severed pair → no responders both ways, other pairs and echoes pass', async () => {
  const { clock, servers, ask } = cluster();
  const mend = servers.sever('a', 'c');
  const asked = [ask('a', 'c'), ask('c', 'a'), ask('a', 'b'), ask('a', 'a')];
  expect(await answers(clock, asked)).toEqual(['no_responders', 'no_responders', 'yes', 'yes']);
  mend();
  expect(await answers(clock, [ask('a', 'c')])).toEqual(['yes']);
});

test('a pair that is severed before the answer → the answer is lost', async () => {
  const { clock, servers, of } = cluster();
  of('c').subscribe('slow', ({ respond }) => {
    servers.sever('a', 'c');
    respond('yes');
  });
  const asked = of('a')
    .request('slow', '', { timeoutMs: 100 })
    .catch((error: unknown) => toFailure(error).code);
  expect(await answers(clock, [asked])).toEqual(['deadline_exceeded']);
});

test('a route that is reset → only participants of one server reach each other', async () => {
  const { clock, servers, ask } = cluster();
  const mend = servers.resetRoute();
  const asked = [ask('a', 'b'), ask('a', 'c'), ask('a', 'observer'), ask('observer', 'c')];
  expect(await answers(clock, asked)).toEqual(['yes', 'no_responders', 'yes', 'yes']);
  mend();
  expect(await answers(clock, [ask('a', 'c')])).toEqual(['yes']);
});

test('a server that stands still → requests time out, and pass in order when it continues', async () => {
  const { clock, servers, read, of, ask } = cluster();
  const thaw = servers.freeze(0);
  expect(await answers(clock, [ask('a', 'b'), ask('c', 'a')])).toEqual(['deadline_exceeded', 'deadline_exceeded']);
  of('a').publish('to.b', 'a late message');
  expect({ read, connected: of('a').isConnected }).toEqual({ read: [], connected: true });
  thaw();
  await clock.advance(0);
  expect(read).toEqual(['a reads a question of c', 'b reads a question of a', 'b reads a late message']);
});
