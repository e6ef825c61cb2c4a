/** The life of the process: it always gets from the order to stop to the end. */
import { describe, expect, test } from 'vitest';
import { agentMachine } from '../../machines/agent.js';
import { failure, otherFailure, run, Walk } from './support.js';

const input = { drainTimeoutMs: 1000, closeTimeoutMs: 500 };

describe('the life of an agent', () => {
  test('it starts, runs, drains what is in progress, closes and stops', () => {
    const walk = new Walk(agentMachine, input);
    expect(walk.state).toBe('starting');
    expect(walk.take()).toEqual([]);
    walk.send({ type: 'agent.started' });
    expect(walk.take()).toEqual([['beginHeartbeats']]);
    walk.send({ type: 'agent.drain' });
    expect(walk.state).toBe('draining');
    expect(walk.take()).toEqual([['watchForIdle']]);
    walk.send({ type: 'agent.idle' });
    expect(walk.state).toBe('closing');
    expect(walk.take()).toEqual([['close']]);
    walk.send({ type: 'agent.closed' });
    expect(walk.state).toBe('stopped');
    expect(walk.isOver).toBe(true);
  });

  test('P7: requests in progress are given up after drainTimeoutMs', () => {
    const { actor, pass, take } = run(agentMachine, input);
    actor.send({ type: 'agent.started' });
    pass(5000);
    actor.send({ type: 'agent.drain' });
    take();
    pass(999);
    expect(take()).toEqual([]);
    pass(1);
    expect(take()).toEqual([['cancelRequests'], ['close']]);
    expect(actor.getSnapshot().value).toBe('closing');
  });

  test('P7: it stops after closeTimeoutMs although something does not close, and says so', () => {
    const { actor, pass, take } = run(agentMachine, input);
    actor.send({ type: 'agent.drain' });
    expect(take()).toEqual([['close']]);
    pass(499);
    expect(actor.getSnapshot().value).toBe('closing');
    pass(1);
    expect(actor.getSnapshot()).toMatchObject({ value: 'stopped', status: 'done' });
    expect(take()).toEqual([['reportStuck']]);
  });

  test('P4: the order to stop can come again at any time', () => {
    const walk = new Walk(agentMachine, input).send({ type: 'agent.started' });
    for (const then of [{ type: 'agent.idle' }, { type: 'agent.closed' }] as const) {
      walk.send({ type: 'agent.drain' }, { type: 'agent.drain' });
      walk.send(then);
    }
    expect(walk.state).toBe('stopped');
    expect(walk.effects).toEqual([['beginHeartbeats'], ['watchForIdle'], ['close']]);
  });

  test.each([[[]], [[{ type: 'agent.started' }]], [[{ type: 'agent.started' }, { type: 'agent.drain' }]]] as const)(
    'it fences itself before it closes, whatever it was doing (%#), and says why',
    (before) => {
      const walk = new Walk(agentMachine, input).send(...before);
      walk.take();
      walk.send({ type: 'agent.fence', failure }, { type: 'agent.fence', failure: otherFailure });
      expect(walk.state).toBe('fencing');
      expect(walk.take()).toEqual([['fence']]);
      walk.send({ type: 'agent.fenced' });
      expect(walk.take()).toEqual([['close']]);
      walk.send({ type: 'agent.closed' });
      expect(walk.snapshot).toMatchObject({ value: 'stopped', output: { fenced: failure } });
    },
  );

  test('an agent that could not start closes what it had opened', () => {
    const walk = new Walk(agentMachine, input).send({ type: 'agent.drain' });
    expect(walk.state).toBe('closing');
    expect(walk.effects).toEqual([['close']]);
  });
});
