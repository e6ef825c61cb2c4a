/** What an agent knows of another: connected, alive, suspect, lost; by heartbeats, in time, once. */
import { describe, expect, test } from 'vitest';
import { type PeerEvent, peerMachine, SILENT_HEARTBEATS_MAX } from '../../machines/peer.js';
import { type Answers, failure, run, Walk } from './support.js';

const input = { agent: 'decode-1', epoch: 'e', heartbeatMs: 100, connectTimeoutMs: 500 };
const opened: PeerEvent = { type: 'connection.opened' };
const broken: PeerEvent = { type: 'connection.broken' };
const heard: PeerEvent = { type: 'peer.heard' };
/** We were there all the time. */
const present = { judgeSilence: { type: 'silence.certain' } } as const;
const left: PeerEvent = { type: 'peer.left', failure };

describe('connecting', () => {
  test('a connection is opened at once, and reported when it is there', () => {
    const walk = new Walk(peerMachine, input);
    expect(walk.take()).toEqual([['openConnection']]);
    walk.send(opened);
    expect(walk.state).toBe('open.(connected and alive)');
    expect(walk.take()).toEqual([['reportConnected']]);
  });

  test('P14: no connection, no peer: lost with the reason', () => {
    const walk = new Walk(peerMachine, input).send({ type: 'connection.failed', failure });
    expect(walk.state).toBe('lost');
    expect(walk.effects).toEqual([['openConnection'], ['reportLost']]);
    expect(walk.context.failure).toEqual(failure);
  });

  test('P7: connecting ends after connectTimeoutMs, also when heartbeats come', () => {
    const running = run(peerMachine, input);
    for (let beat = 0; beat < 4; beat += 1) {
      running.pass(100);
      running.actor.send(heard);
    }
    running.pass(99);
    expect(running.take()).toEqual([['openConnection']]);
    running.pass(1);
    expect(running.state).toBe('lost');
    expect(running.take()).toEqual([['reportLost']]);
    expect(running.actor.getSnapshot().context.failure).toEqual({
      code: 'connection_failed',
      message: 'agent decode-1 did not connect within 500 ms',
    });
  });

  test('P5: a connection breaks → it opens again, and the receiver revokes the old key', () => {
    const walk = new Walk(peerMachine, input).send(opened, broken);
    expect(walk.state).toBe('open.(connecting and alive)');
    expect(walk.take()).toEqual([['openConnection'], ['reportConnected'], ['openConnection']]);
    walk.send(broken);
    expect(walk.take()).toEqual([]);
    walk.send(opened);
    expect(walk.state).toBe('open.(connected and alive)');
    expect(walk.take()).toEqual([['reportConnected']]);
  });
});

describe('alive or not', () => {
  function connected(answers: Answers<typeof peerMachine> = present) {
    const running = run(peerMachine, input, answers);
    running.actor.send(opened);
    running.take();
    return running;
  }

  test('P14, P7: a silent peer is suspected, then lost; the reason counts the heartbeats', () => {
    const running = connected();
    running.pass(124);
    expect(running.state).toBe('open.(connected and alive)');
    running.pass(1);
    expect(running.state).toBe('open.(connected and suspect)');
    running.pass(149);
    expect(running.state).toBe('open.(connected and suspect)');
    expect(running.take()).toEqual([['probe']]);

    running.pass(1);
    expect(running.state).toBe('lost');
    expect(running.take()).toEqual([['reportLost']]);
    expect(running.actor.getSnapshot()).toMatchObject({
      status: 'done',
      context: {
        failure: { code: 'no_responders', message: 'agent decode-1 was silent for 275 ms' },
      },
    });
  });

  test('P12, P14: the agent itself was stopped → it declares no peer dead and asks again', () => {
    const answers = { judgeSilence: { type: 'silence.own' } as PeerEvent };
    const running = connected(answers);
    running.pass(300);
    expect(running.state).toBe('open.(connected and suspect)');
    expect(running.take()).toEqual([['probe'], ['probe']]);
    answers.judgeSilence = { type: 'silence.certain' };
    running.pass(124);
    expect(running.state).toBe('open.(connected and suspect)');
    running.pass(1);
    expect(running.state).toBe('lost');
  });

  test('S16: a peer is declared dead → it was silent for as long as the reason says', () => {
    const running = connected();
    running.pass(SILENT_HEARTBEATS_MAX * 100 - 1);
    expect(running.state).toBe('open.(connected and suspect)');
    running.pass(1);
    expect(running.state).toBe('lost');
  });

  test('P14: each heartbeat starts the time again, also for a suspect', () => {
    const running = connected();
    for (let beat = 0; beat < 50; beat += 1) {
      running.pass(124);
      expect(running.state).toBe('open.(connected and alive)');
      running.actor.send(heard);
    }
    running.pass(250);
    expect(running.state).toBe('open.(connected and suspect)');
    running.actor.send(heard);
    expect(running.state).toBe('open.(connected and alive)');
    running.pass(124);
    expect(running.state).toBe('open.(connected and alive)');
    expect(running.take()).toEqual([['probe']]);
  });

  test('P14, P7: a peer dies while its connection opens → it is lost as early as others', () => {
    const running = run(peerMachine, { ...input, connectTimeoutMs: 10_000 }, present);
    running.pass(274);
    expect(running.state).toBe('open.(connecting and suspect)');
    running.pass(1);
    expect(running.state).toBe('lost');
    expect(running.actor.getSnapshot().context.failure?.message).toBe('agent decode-1 was silent for 275 ms');
  });

  test('P14: that its connection broke is no sign of life: the time of silence goes on', () => {
    const running = connected();
    running.pass(200);
    running.actor.send(broken);
    expect(running.state).toBe('open.(connecting and suspect)');
    running.pass(74);
    expect(running.state).toBe('open.(connecting and suspect)');
    running.pass(1);
    expect(running.state).toBe('lost');
  });

  test('P14: a connection breaks while NATS is away → it opens again when NATS is back', () => {
    const running = connected();
    running.actor.send({ type: 'line.down' });
    running.actor.send(broken);
    running.pass(10_000);
    expect(running.state).toBe('open.(interrupted and unheard)');
    expect(running.take()).toEqual([]);
    running.actor.send({ type: 'line.up' });
    expect(running.state).toBe('open.(connecting and alive)');
    expect(running.take()).toEqual([['openConnection']]);
  });

  test('P14: cut off from NATS → silence counts from when NATS is back', () => {
    const running = connected();
    running.pass(250);
    running.actor.send({ type: 'line.down' });
    expect(running.state).toBe('open.(connected and unheard)');
    // A heartbeat that was read late changes nothing.
    running.actor.send(heard);
    running.pass(10_000);
    expect(running.state).toBe('open.(connected and unheard)');
    running.actor.send({ type: 'line.up' });
    running.pass(274);
    expect(running.state).toBe('open.(connected and suspect)');
    running.pass(1);
    expect(running.state).toBe('lost');
  });

  test('P14: cut off while connecting → it connects again when NATS is back, even late', () => {
    const running = run(peerMachine, input);
    running.actor.send({ type: 'line.down' });
    running.pass(10_000);
    expect(running.state).toBe('open.(interrupted and unheard)');
    running.take();
    running.actor.send({ type: 'line.up' });
    expect(running.state).toBe('open.(connecting and alive)');
    expect(running.take()).toEqual([['openConnection']]);
  });

  test('P14: a connection that comes about while NATS is away is used', () => {
    const walk = new Walk(peerMachine, input).send({ type: 'line.down' }, opened);
    expect(walk.state).toBe('open.(connected and unheard)');
  });

  test('P14: a peer announces that it leaves → it is lost at once, once, for good', () => {
    for (const before of [[], [opened]]) {
      const walk = new Walk(peerMachine, input).send(...before);
      walk.take();
      walk.send(left);
      expect(walk.state).toBe('lost');
      expect(walk.isOver).toBe(true);
      expect(walk.take()).toEqual([['reportLost']]);
      expect(walk.context.failure).toEqual(failure);
    }
  });
});
