/** When an agent declares a peer dead, and when it does not. Heartbeats are 1 s apart. */
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import type { AgentEnv } from '../../src/actors/env/agent-env.js';
import { Presence } from '../../src/actors/env/presence.js';
import { Counters } from '../../src/actors/observing/counters.js';
import { Journal } from '../../src/actors/observing/journal.js';
import { ObservedActors } from '../../src/actors/observing/observed-actors.js';
import { PeerLiveness } from '../../src/actors/peers/peer-liveness.js';
import { Supervisor } from '../../src/actors/running/supervisor.js';
import { MemoryControlNetwork } from '../../src/proof/simulation/memory-control.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import type { Failure } from '../../src/protocol/fields.js';
import { PROTOCOL_VERSION } from '../../src/protocol/limits.js';
import { subjects } from '../../src/protocol/subjects.js';
import { defaults } from './support.js';

const EPOCH = '00000000000000aa';
const OTHER_EPOCH = '00000000000000bb';
const HEARTBEAT_MS = 1000;
/** Silence after which a peer is dead: 2.75 heartbeats. */
const SILENCE_MS = 2750;

/** This agent, its view of `decode-0`, and the calls of its listener. */
class Watch {
  readonly clock = new SimulatedClock();
  readonly network = new MemoryControlNetwork(this.clock);
  readonly control = this.network.connect('prefill-0');
  readonly calls: unknown[] = [];
  readonly fenced: Failure[] = [];
  readonly counters = new Counters();
  readonly presence = new Presence(this.clock, this.control, HEARTBEAT_MS);
  readonly liveness: PeerLiveness;
  onConnect: () => void = () => undefined;

  constructor() {
    const { clock, control, counters, presence } = this;
    const logger = pino({ level: 'silent' });
    const journal = new Journal(clock, 100);
    const env: AgentEnv = {
      options: { ...defaults, agent: 'prefill-0', role: 'prefill', heartbeatMs: HEARTBEAT_MS },
      epoch: '0000000000000001',
      control,
      fabric: {} as AgentEnv['fabric'],
      clock,
      logger,
      counters,
      presence,
      supervisor: new Supervisor({ clock, counters, logger }, (failure) => this.fenced.push(failure)),
      journal,
      actors: new ObservedActors(clock, journal),
      tracer: undefined,
    };
    const peer = { agent: 'decode-0', epoch: EPOCH, side: 'receiver' } as const;
    this.liveness = new PeerLiveness(env, peer, HEARTBEAT_MS, {
      openConnection: () => this.onConnect(),
      connected: () => this.calls.push('connected'),
      lost: (failure, cause) => this.calls.push({ failure, cause }),
    });
    control.onStatus((status) => this.liveness.lineChanged(status));
  }

  /** Starts with an open connection. */
  start(): this {
    this.onConnect = () => this.liveness.connection({ type: 'connection.opened' });
    this.liveness.start();
    return this;
  }

  /** `decode-0` answers `describe` as this epoch, from now on. */
  answers(epoch: string): void {
    const reply = {
      v: PROTOCOL_VERSION,
      ok: true,
      agent: 'decode-0',
      epoch,
      role: 'decode',
      state: 'running',
      version: 'test',
      heartbeatMs: HEARTBEAT_MS,
      endpoints: [],
      unavailable: [],
    };
    const control = this.network.connect('decode-0');
    control.subscribe(subjects.operations('decode-0'), (message) => message.respond(JSON.stringify(reply)));
  }

  beat(epoch = EPOCH, leaving = false): void {
    const agent = 'decode-0';
    this.liveness.heartbeat({ v: PROTOCOL_VERSION, agent, epoch, role: 'decode', heartbeatMs: HEARTBEAT_MS, leaving });
  }

  /** Lets time pass in which this agent sends its own heartbeats. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += HEARTBEAT_MS / 4) {
      this.presence.beat();
      await this.clock.advance(HEARTBEAT_MS / 4);
    }
  }

  /** Lets time pass in which this agent sends no heartbeats. */
  absence(ms: number): Promise<void> {
    return this.clock.advance(ms);
  }
}

/** The call of the listener when the peer is lost. */
function lost(cause: Failure) {
  const message = `agent decode-0 (epoch ${EPOCH}) is lost: ${cause.message}`;
  return { failure: { code: 'receiver_lost', message }, cause };
}

const silent = lost({ code: 'no_responders', message: `agent decode-0 was silent for ${SILENCE_MS} ms` });

describe('PeerLiveness', () => {
  test('heartbeats keep a peer alive', async () => {
    const watch = new Watch().start();
    for (let beat = 0; beat < 10; beat += 1) {
      await watch.pass(HEARTBEAT_MS);
      watch.beat();
    }
    expect([watch.calls, watch.liveness.state, watch.liveness.lost]).toEqual([
      ['connected'],
      'connected and alive',
      undefined,
    ]);
  });

  test('a silent peer is suspected, asked, and declared dead after 2.75 heartbeats', async () => {
    const watch = new Watch().start();
    await watch.pass(SILENCE_MS - 250);
    expect([watch.calls, watch.liveness.state]).toEqual([['connected'], 'connected and suspect']);
    await watch.pass(250);
    expect([watch.calls, watch.liveness.lost]).toEqual([['connected', silent], silent.failure]);
    expect(watch.counters.toJSON()).toMatchObject({ receivers_lost: 1 });
  });

  test('a peer whose heartbeats are lost stays alive while it answers', async () => {
    const watch = new Watch().start();
    watch.answers(EPOCH);
    await watch.pass(20 * HEARTBEAT_MS);
    expect([watch.calls, watch.liveness.lost]).toEqual([['connected'], undefined]);
  });

  test('silence while this agent was absent proves nothing', async () => {
    const watch = new Watch().start();
    await watch.pass(HEARTBEAT_MS);
    await watch.absence(2 * HEARTBEAT_MS);
    expect([watch.presence.absences, watch.liveness.state]).toEqual([1, 'connected and suspect']);
    await watch.pass(SILENCE_MS - HEARTBEAT_MS);
    expect(watch.calls).toEqual(['connected', silent]);
  });

  test('silence while this agent has lost NATS proves nothing', async () => {
    const watch = new Watch().start();
    watch.control.setConnected(false);
    await watch.pass(20 * HEARTBEAT_MS);
    expect([watch.calls, watch.liveness.state]).toEqual([['connected'], 'connected and unheard']);
    watch.control.setConnected(true);
    await watch.pass(SILENCE_MS);
    expect(watch.calls).toEqual(['connected', silent]);
  });

  test('a heartbeat that says so ends the peer at once', () => {
    const watch = new Watch().start();
    watch.beat(EPOCH, true);
    expect(watch.calls).toEqual(['connected', lost({ code: 'agent_draining', message: 'agent decode-0 has stopped' })]);
  });

  test('a heartbeat with another epoch leads to a question: the peer was restarted', async () => {
    const watch = new Watch().start();
    watch.answers(OTHER_EPOCH);
    watch.beat(OTHER_EPOCH);
    await watch.pass(HEARTBEAT_MS / 4);
    const message = `agent decode-0 was restarted: its epoch is now ${OTHER_EPOCH}`;
    expect(watch.calls).toEqual(['connected', lost({ code: 'stale_epoch', message })]);
  });

  test('a heartbeat with another epoch leads to a question: it was an old heartbeat', async () => {
    const watch = new Watch().start();
    watch.answers(EPOCH);
    watch.beat(OTHER_EPOCH);
    await watch.pass(HEARTBEAT_MS / 4);
    expect([watch.calls, watch.liveness.lost]).toEqual([['connected'], undefined]);
  });

  test('the loss is reported once, with the first cause', async () => {
    const watch = new Watch().start();
    const failure: Failure = { code: 'receiver_lost', message: 'the test gave up' };
    watch.liveness.left(failure);
    watch.beat(EPOCH, true);
    await watch.pass(2 * SILENCE_MS);
    expect(watch.calls).toEqual(['connected', lost(failure)]);
  });

  test('a peer that throws while it connects is lost, and the crash is counted', () => {
    const watch = new Watch();
    watch.onConnect = () => {
      throw new Error('a bug');
    };
    watch.liveness.start();
    expect(watch.calls).toEqual([lost({ code: 'internal', message: 'Error: a bug' })]);
    expect([watch.counters.toJSON(), watch.fenced]).toEqual([{ actors_crashed: 1, receivers_lost: 1 }, []]);
  });

  test('a stopped liveness reports nothing', async () => {
    const watch = new Watch().start();
    watch.liveness.stop();
    await watch.pass(2 * SILENCE_MS);
    expect(watch.calls).toEqual(['connected']);
  });
});
