import { describe, expect, test } from 'vitest';
import { Sampler } from '../../../src/cli/top/sampler.js';
import { KvferryClient } from '../../../src/client/kvferry-client.js';
import type { ControlSubscription } from '../../../src/ports/control.js';
import { MemoryControlNetwork } from '../../../src/proof/simulation/memory-control.js';
import { SimulatedClock } from '../../../src/proof/simulation/simulated-clock.js';
import type { DescribeReply } from '../../../src/protocol/operations.js';
import { subjects } from '../../../src/protocol/subjects.js';
import { actorRow, d1, p1, status } from './support.js';

const DISCOVER_MS = 250;
const CALL_MS = 500;
const FORGET_MS = 15_000;

class Cluster {
  readonly clock = new SimulatedClock();
  readonly network = new MemoryControlNetwork(this.clock);
  readonly control = this.network.connect('top');
  readonly sampler = new Sampler(new KvferryClient(this.control), () => this.clock.now());

  /** An agent that answers; `inspect: false`: an older one. Returns how to end it. */
  start(of: DescribeReply, { answers = true, inspect = true } = {}): () => void {
    const control = this.network.connect(of.agent);
    const subscriptions: ControlSubscription[] = [
      control.subscribe(subjects.discover, ({ respond }) => respond(JSON.stringify(of))),
      control.subscribe(subjects.operation(of.agent, '_all', 'status'), ({ respond }) => {
        if (answers) respond(JSON.stringify(status(of, { uptimeMs: this.clock.now() })));
      }),
      control.subscribe(subjects.operation(of.agent, '_all', 'inspect'), ({ respond }) => {
        const { agent, epoch, role, state } = of;
        const actors = [actorRow('request', 'r1')];
        const reply = { v: 2, ok: true, agent, epoch, role, state, nowMs: 0, actors, actorsTotal: 1 };
        const error = { code: 'unknown_operation', message: 'there is no operation inspect' };
        respond(JSON.stringify(inspect ? reply : { v: 2, ok: false, error }));
      }),
    ];
    return () => {
      for (const subscription of subscriptions) subscription.close();
    };
  }

  /** In short: who is there, since when it is silent, when it started, how many actors it told of. */
  async take() {
    const taking = this.sampler.take();
    await this.clock.advance(DISCOVER_MS + CALL_MS);
    const { isConnected, agents } = await taking;
    return {
      isConnected,
      agents: agents.map(({ description, silentMs, actors }) => [description.agent, silentMs, actors.length]),
    };
  }
}

describe('samples', () => {
  test('are of all who answer, by name', async () => {
    const cluster = new Cluster();
    cluster.start(p1);
    cluster.start(d1);
    expect(await cluster.take()).toEqual({
      isConnected: true,
      agents: [
        ['d1', undefined, 1],
        ['p1', undefined, 1],
      ],
    });
  });

  test('have no actors of an agent that cannot tell', async () => {
    const cluster = new Cluster();
    cluster.start(d1, { inspect: false });
    expect((await cluster.take()).agents).toEqual([['d1', undefined, 0]]);
  });

  test('have an agent that comes, and one that goes for a while', async () => {
    const cluster = new Cluster();
    const end = cluster.start(d1);
    await cluster.take();
    end();
    cluster.start(p1);
    const period = DISCOVER_MS + CALL_MS;
    expect((await cluster.take()).agents).toEqual([
      ['d1', period, 0],
      ['p1', undefined, 1],
    ]);
    await cluster.clock.advance(FORGET_MS);
    expect((await cluster.take()).agents).toEqual([['p1', undefined, 1]]);
  });

  test('go on when an agent does not answer, and say since when', async () => {
    const cluster = new Cluster();
    const end = cluster.start(d1);
    await cluster.take();
    end();
    cluster.start(d1, { answers: false });
    const period = DISCOVER_MS + CALL_MS;
    expect((await cluster.take()).agents).toEqual([['d1', period + CALL_MS, 0]]);
    expect((await cluster.take()).agents).toEqual([['d1', 2 * period + CALL_MS, 0]]);
  });

  test('have an agent that has never answered', async () => {
    const cluster = new Cluster();
    cluster.start(d1, { answers: false });
    expect((await cluster.take()).agents).toEqual([['d1', 0, 0]]);
  });

  test('go on while NATS is away, and when it is back', async () => {
    const cluster = new Cluster();
    cluster.start(d1);
    await cluster.take();
    cluster.control.setConnected(false);
    expect(await cluster.take()).toMatchObject({ isConnected: false, agents: [['d1', expect.any(Number), 0]] });
    cluster.control.setConnected(true);
    expect(await cluster.take()).toEqual({ isConnected: true, agents: [['d1', undefined, 1]] });
  });
});
