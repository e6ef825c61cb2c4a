/** When an agent counts as cut off from NATS. Its heartbeats are 100 ms apart. */
import { expect, test } from 'vitest';
import { type LineEvent, lineMachine } from '../../machines/line.js';
import { run, Walk } from './support.js';

const heard: LineEvent = { type: 'self.heard' };
const away: LineEvent = { type: 'nats.away' };
const back: LineEvent = { type: 'nats.back' };

test('P21: heartbeats come back → the line is up', () => {
  const running = run(lineMachine, { heartbeatMs: 100 });
  for (let beat = 0; beat < 20; beat += 1) {
    running.pass(124);
    running.actor.send(heard);
  }
  expect([running.state, running.take()]).toEqual(['up', []]);
});

test('P21: no heartbeat comes back for 1.25 intervals → cut off, then it reconnects', () => {
  const running = run(lineMachine, { heartbeatMs: 100 });
  running.pass(126);
  expect([running.state, running.take()]).toEqual(['down.unheard', [['reportDown']]]);
  running.pass(50);
  expect([running.state, running.take()]).toEqual(['down.reconnecting', [['reconnect']]]);
  running.pass(500);
  expect([running.state, running.take()]).toEqual(['down.reconnecting', [['reconnect']]]);
  running.actor.send(heard);
  expect([running.state, running.take()]).toEqual(['up', [['reportUp']]]);
});

test('P27: the process was stopped → a heartbeat that waits to be read still counts', () => {
  const running = run(lineMachine, { heartbeatMs: 100 });
  running.clock.increment(125);
  running.actor.send(heard);
  running.pass(10);
  expect([running.state, running.take()]).toEqual(['up', []]);
});

test('P21: NATS is away → cut off; it is up again when the first heartbeat comes back', () => {
  const walk = new Walk(lineMachine, { heartbeatMs: 100 }).send(away);
  expect([walk.state, walk.take()]).toEqual(['down.away', [['reportDown']]]);
  walk.send(back);
  expect([walk.state, walk.take()]).toEqual(['down.returning', [['listen']]]);
  walk.send(heard);
  expect([walk.state, walk.take()]).toEqual(['up', [['reportUp']]]);
});

test('P21: NATS refuses subscriptions, but not that to the own heartbeat → cut off', () => {
  const walk = new Walk(lineMachine, { heartbeatMs: 100 }).send(away);
  walk.take();
  for (let beat = 0; beat < 3; beat += 1) walk.send(heard);
  expect([walk.state, walk.take()]).toEqual(['down.away', []]);
});

test('P21: the new connection carries no heartbeat either → yet another one', () => {
  const running = run(lineMachine, { heartbeatMs: 100 });
  running.actor.send(away);
  running.actor.send(back);
  running.pass(125);
  expect(running.state).toBe('down.reconnecting');
  running.actor.send(away);
  expect(running.state).toBe('down.away');
  expect(running.take()).toEqual([['reportDown'], ['listen'], ['reconnect']]);
});
