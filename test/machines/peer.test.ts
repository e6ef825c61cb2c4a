/** When a peer is suspected, and when it is declared dead. Heartbeats are 100 ms apart. */
import { describe, expect, test } from 'vitest';
import { type PeerEvent, peerMachine, SILENT_HEARTBEATS_MAX } from '../../machines/peer.js';
import { type Answers, failure, run, Walk } from './support.js';

const input = { agent: 'decode-1', epoch: 'e', heartbeatMs: 100 };
const heard: PeerEvent = { type: 'peer.heard' };
/** Its own heartbeats come back at once. */
const hearsItself: Answers<typeof peerMachine> = { listen: { type: 'self.heard' } };
const silent = { code: 'no_responders', message: 'agent decode-1 was silent for 275 ms and did not answer' };

describe('a silent peer', () => {
  test('P14, P7: is suspected, asked, and declared dead, with the time in the reason', () => {
    const running = run(peerMachine, input, hearsItself);
    running.pass(124);
    expect(running.state).toBe('alive');
    running.pass(1);
    expect(running.state).toBe('suspect.asking');
    expect(running.take()).toEqual([['ask']]);
    running.pass(125);
    expect(running.state).toBe('suspect.overdue');
    running.pass(24);
    expect(running.state).toBe('suspect.overdue');
    running.pass(1);
    expect(running.state).toBe('lost');
    expect(running.take()).toEqual([['reportLost']]);
    expect(running.actor.getSnapshot()).toMatchObject({ status: 'done', context: { failure: silent } });
  });

  test('S16: is declared dead → it was silent for as long as the reason says', () => {
    const running = run(peerMachine, input, hearsItself);
    running.pass(SILENT_HEARTBEATS_MAX * 100 - 1);
    expect(running.state).toBe('suspect.overdue');
    running.pass(1);
    expect(running.state).toBe('lost');
  });

  test('P14: each heartbeat starts the time again, also for a suspect', () => {
    const running = run(peerMachine, input, hearsItself);
    for (const silenceMs of [124, 125, 249, 250, 274]) {
      running.pass(silenceMs);
      running.actor.send(heard);
      expect(running.state).toBe('alive');
    }
  });

  test('a heartbeat names another interval → the times follow it', () => {
    const running = run(peerMachine, input, hearsItself);
    running.actor.send({ type: 'peer.heard', heartbeatMs: 1000 });
    running.pass(1249);
    expect(running.state).toBe('alive');
    running.pass(1);
    expect(running.state).toBe('suspect.asking');
  });
});

describe('P21: an agent that does not hear itself', () => {
  test('from the beginning of the silence → it asks only when it hears itself again', () => {
    const running = run(peerMachine, input);
    running.pass(10_000);
    expect(running.state).toBe('suspect.listening');
    expect(running.take()).toEqual([['listen']]);
    running.actor.send({ type: 'self.heard' });
    expect(running.state).toBe('suspect.asking');
  });

  test('during the question → the peer gets time to be heard after NATS works again', () => {
    const running = run(peerMachine, input);
    running.pass(125);
    running.actor.send({ type: 'self.heard' });
    running.pass(10_000);
    expect(running.state).toBe('suspect.listeningAgain');
    running.actor.send({ type: 'self.heard' });
    running.pass(24);
    expect(running.state).toBe('suspect.overdue');
    running.actor.send(heard);
    expect(running.state).toBe('alive');
  });

  test('is cut off → silence counts from when it hears itself again', () => {
    for (const silenceMs of [0, 130, 260]) {
      const running = run(peerMachine, input, hearsItself);
      running.pass(silenceMs);
      running.actor.send({ type: 'line.down' });
      running.pass(10_000);
      // A heartbeat that was read late changes nothing.
      running.actor.send(heard);
      expect(running.state).toBe('unheard');
      running.actor.send({ type: 'line.up' });
      running.pass(274);
      expect(running.state).toBe('suspect.overdue');
      running.pass(1);
      expect(running.state).toBe('lost');
    }
  });
});

test('P14: a peer reports its end → it is lost at once, in every state', () => {
  const before: PeerEvent[][] = [[], [{ type: 'line.down' }]];
  for (const events of before) {
    const walk = new Walk(peerMachine, input).send(...events, { type: 'peer.left', failure });
    expect([walk.state, walk.isOver, walk.context.failure]).toEqual(['lost', true, failure]);
    expect(walk.take()).toEqual([['reportLost']]);
  }
});
