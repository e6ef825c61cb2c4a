/** When an agent declares another one dead, and when it does not. Heartbeats are 1 s apart. */
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import type { EnvParts } from '../../src/actors/env/agent-env.js';
import type { Loss, Watch } from '../../src/actors/env/living.js';
import { Turns } from '../../src/actors/env/turns.js';
import { LivingAgents } from '../../src/actors/living/living-agents.js';
import { Counters } from '../../src/actors/observing/counters.js';
import { Journal } from '../../src/actors/observing/journal.js';
import { ObservedActors } from '../../src/actors/observing/observed-actors.js';
import { RefusalLog } from '../../src/actors/observing/refusal-log.js';
import { Supervisor } from '../../src/actors/running/supervisor.js';
import { type Envelope, type MemoryControl, MemoryControlNetwork } from '../../src/proof/simulation/memory-control.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import type { Failure } from '../../src/protocol/fields.js';
import { PROTOCOL_VERSION } from '../../src/protocol/limits.js';
import { operationOf, subjects } from '../../src/protocol/subjects.js';
import { defaults } from './support.js';

const OWN_EPOCH = '0000000000000001';
const EPOCH = '00000000000000aa';
const OTHER_EPOCH = '00000000000000bb';
const HEARTBEAT_MS = 1000;
/** Silence after which a peer is dead: 2.75 heartbeats. */
const SILENCE_MS = 2750;
const once = { copies: 1, delayMs: 0 };
const never = { copies: 0, delayMs: 0 };

/** This agent, which watches `decode-0`, and the losses that it was notified of. */
class World {
  readonly clock = new SimulatedClock();
  readonly network = new MemoryControlNetwork(this.clock);
  readonly control = this.network.connect('prefill-0');
  readonly losses: Loss[] = [];
  readonly fenced: Failure[] = [];
  readonly counters = new Counters();
  readonly living: LivingAgents;
  readonly watch: Watch;
  #beats = 0;

  constructor() {
    const { clock, control, counters } = this;
    const logger = pino({ level: 'silent' });
    const journal = new Journal(clock, 100);
    const env: EnvParts = {
      options: { ...defaults, agent: 'prefill-0', role: 'prefill', heartbeatMs: HEARTBEAT_MS },
      epoch: OWN_EPOCH,
      control,
      fabric: {} as EnvParts['fabric'],
      clock,
      logger,
      counters,
      refusals: new RefusalLog(logger),
      supervisor: new Supervisor({ clock, counters, logger }, (failure) => this.fenced.push(failure)),
      journal,
      actors: new ObservedActors(clock, journal),
      tracer: undefined,
      turns: new Turns(clock),
    };
    this.living = new LivingAgents(env);
    this.living.line.subscribe();
    this.living.line.start();
    this.#beatOwn();
    this.watch = this.living.watch({ agent: 'decode-0', epoch: EPOCH, heartbeatMs: HEARTBEAT_MS }, (loss) => {
      this.losses.push(loss);
    });
  }

  /** A process of `decode-0` listens, from now on, and answers unless it is stopped. */
  process(epoch: string): MemoryControl {
    const control = this.network.connect('decode-0');
    const about = { agent: 'decode-0', epoch, role: 'decode', state: 'running', version: 'test' };
    const description = { ...about, heartbeatMs: HEARTBEAT_MS, endpoints: [], unavailable: [] };
    const ok = { v: PROTOCOL_VERSION, ok: true };
    control.subscribe(subjects.operations('decode-0'), ({ subject, respond }) => {
      if (operationOf(subject) === 'describe') respond(JSON.stringify({ ...ok, ...description }));
    });
    control.subscribe(subjects.peers('decode-0', epoch), ({ respond }) => respond(JSON.stringify(ok)));
    return control;
  }

  /** A heartbeat of `decode-0`. */
  beat(epoch = EPOCH, { leaving = false, from = this.network.connect('decode-0') } = {}): void {
    this.#beats += 1;
    const about = { agent: 'decode-0', epoch, role: 'decode', heartbeatMs: HEARTBEAT_MS };
    const beat = {
      v: PROTOCOL_VERSION,
      ...about,
      number: this.#beats,
      ageMs: 0,
      alone: true,
      draining: false,
      leaving,
    };
    from.publish(subjects.heartbeat('decode-0'), JSON.stringify(beat));
  }

  /** Loses every message for which `isLost` holds, from now on. */
  lose(isLost: (envelope: Envelope) => boolean): void {
    this.network.fate = (envelope) => (isLost(envelope) ? never : once);
  }

  #beatOwn(): void {
    this.living.line.beat();
    this.clock.setTimeout(() => this.#beatOwn(), HEARTBEAT_MS);
  }
}

const silent: Loss = {
  reason: { code: 'no_responders', message: `agent decode-0 was silent for ${SILENCE_MS} ms and did not answer` },
  isProven: false,
};
const restarted: Loss = {
  reason: { code: 'stale_epoch', message: `agent decode-0 was restarted: its epoch is now ${OTHER_EPOCH}` },
  isProven: true,
};

describe('a process that is watched', () => {
  test('heartbeats keep it alive', async () => {
    const world = new World();
    for (let beat = 0; beat < 10; beat += 1) {
      await world.clock.advance(HEARTBEAT_MS);
      world.beat();
    }
    expect([world.losses, world.watch.state, world.watch.loss]).toEqual([[], 'alive', undefined]);
  });

  test('P21: an own heartbeat from before the suspicion comes back → no question yet', async () => {
    const world = new World();
    world.process(EPOCH);
    let questions = 0;
    world.network.fate = ({ subject }) => {
      if (subject.endsWith('.ping')) questions += 1;
      // Own heartbeats come back later and later: the one of 3.0 s at 3.6 s.
      const lateMs = Math.min(600, 200 * Math.floor(world.clock.now() / 1000));
      return { copies: 1, delayMs: subject === subjects.heartbeat('prefill-0') ? lateMs : 0 };
    };
    for (const afterMs of [1000, 1000, 300]) {
      await world.clock.advance(afterMs);
      world.watch.heard();
    }
    await world.clock.advance(1750);
    expect([world.watch.state, questions]).toEqual(['suspect', 0]);
    await world.clock.advance(200);
    expect(questions).toBeGreaterThan(0);
  });

  test('P21: a heartbeat names another agent than its subject → it is refused', async () => {
    const world = new World();
    await world.clock.advance(1000);
    const about = { agent: 'decode-1', epoch: EPOCH, role: 'decode', heartbeatMs: HEARTBEAT_MS };
    const forged = { v: PROTOCOL_VERSION, ...about, number: 1, ageMs: 0, alone: true, draining: false, leaving: true };
    world.network.connect('decode-1').publish(subjects.heartbeat('decode-0'), JSON.stringify(forged));
    await world.clock.advance(10);
    expect([world.losses, world.watch.state, world.counters.toJSON()['messages_refused']]).toEqual([[], 'alive', 1]);
  });

  test('a silent one is suspected, asked, and declared dead after 2.75 heartbeats', async () => {
    const world = new World();
    await world.clock.advance(SILENCE_MS - 1);
    expect([world.losses, world.watch.state]).toEqual([[], 'suspect']);
    await world.clock.advance(1);
    expect([world.losses, world.watch.loss, world.watch.state]).toEqual([[silent], silent, 'lost']);
  });

  test('P21: its heartbeats are lost → it lives while it answers', async () => {
    const world = new World();
    world.process(EPOCH);
    await world.clock.advance(20 * HEARTBEAT_MS);
    expect(world.losses).toEqual([]);
  });

  test('P21: it is not subscribed for two heartbeats → it is not declared dead', async () => {
    const world = new World();
    const control = world.process(EPOCH);
    control.setConnected(false);
    await world.clock.advance(2 * HEARTBEAT_MS);
    control.setConnected(true);
    await world.clock.advance(20 * HEARTBEAT_MS);
    expect(world.losses).toEqual([]);
  });

  test('it is stopped: it is subscribed and does not answer → it is declared dead', async () => {
    const world = new World();
    world.process(EPOCH).stop();
    await world.clock.advance(SILENCE_MS);
    expect(world.losses).toEqual([silent]);
  });

  test('a heartbeat reports its end → it is lost at once, and that is proof', async () => {
    const world = new World();
    world.beat(EPOCH, { leaving: true });
    await world.clock.advance(1);
    const reason = { code: 'agent_draining', message: 'agent decode-0 has stopped' };
    expect(world.losses).toEqual([{ reason, isProven: true }]);
  });

  test('another process has its place → it is lost at once, and that is proof', async () => {
    const world = new World();
    world.process(OTHER_EPOCH);
    world.beat(OTHER_EPOCH);
    await world.clock.advance(1);
    expect(world.losses).toEqual([restarted]);
  });

  test('P12: a message of it comes while another one answers for its name → it lives', async () => {
    const world = new World();
    world.process(OTHER_EPOCH);
    world.network.fate = ({ subject }) => ({ copies: 1, delayMs: operationOf(subject) === 'describe' ? 50 : 0 });
    world.beat(OTHER_EPOCH);
    await world.clock.advance(20);
    const back = world.process(EPOCH);
    world.beat(EPOCH, { from: back });
    await world.clock.advance(HEARTBEAT_MS);
    expect([world.losses, world.watch.state]).toEqual([[], 'alive']);
  });

  test('P28: a flood of heartbeats of others under its name → one question at a time', async () => {
    const world = new World();
    world.process(EPOCH);
    let questions = 0;
    world.lose(({ subject }) => {
      if (operationOf(subject) === 'ping') questions += 1;
      return false;
    });
    const from = world.network.connect('decode-0');
    for (let count = 0; count < 1000; count += 1) world.beat(OTHER_EPOCH, { from });
    await world.clock.advance(0);
    expect([questions, world.losses]).toEqual([2, []]);
    world.beat(OTHER_EPOCH, { from });
    await world.clock.advance(0);
    expect(questions).toBe(4);
  });

  test('P28: it says that it beats every 10 ms → four questions a heartbeat at most', async () => {
    const world = new World();
    world.process(OTHER_EPOCH);
    let [questions, beats] = [0, 0];
    world.lose(({ subject, kind }) => {
      if (operationOf(subject) === 'ping' && kind === 'message') questions += 1;
      if (subject === subjects.heartbeat('prefill-0')) beats += 1;
      return false;
    });
    world.living.watch({ agent: 'decode-0', epoch: OTHER_EPOCH, heartbeatMs: 10 }, () => undefined);
    await world.clock.advance(HEARTBEAT_MS);
    expect([questions, beats]).toEqual([3, 4]);
  });

  test('T22: another process has its name while it still drains → it lives', async () => {
    const world = new World();
    world.process(EPOCH);
    world.process(OTHER_EPOCH);
    for (let beat = 0; beat < 10; beat += 1) {
      world.beat(OTHER_EPOCH);
      await world.clock.advance(HEARTBEAT_MS);
    }
    expect([world.losses, world.watch.state]).toEqual([[], 'alive']);
  });

  test('P23: it is stopped, another process has its name → silence decides, no proof', async () => {
    const world = new World();
    world.process(EPOCH).stop();
    world.process(OTHER_EPOCH);
    world.beat(OTHER_EPOCH);
    await world.clock.advance(SILENCE_MS);
    expect(world.losses).toEqual([silent]);
  });

  test('P30: two watch it → one judgement, one subscription, and the last one ends both', async () => {
    const world = new World();
    const others: Loss[] = [];
    const other = world.living.watch({ agent: 'decode-0', epoch: EPOCH }, (loss) => others.push(loss));
    other.close();
    other.close();
    await world.clock.advance(SILENCE_MS);
    expect([world.losses, others]).toEqual([[silent], []]);
    const again = world.living.watch({ agent: 'decode-0', epoch: EPOCH }, (loss) => others.push(loss));
    expect(again.state).toBe('alive');
    again.close();
    const seen: string[] = [];
    world.lose(({ to, subject }) => {
      if (to === 'prefill-0') seen.push(subject);
      return false;
    });
    world.beat();
    await world.clock.advance(10 * HEARTBEAT_MS);
    expect([...new Set(seen)]).toEqual([subjects.heartbeat('prefill-0')]);
    expect(others).toEqual([]);
  });
});

describe('P21: an agent that does not hear itself', () => {
  test('NATS stands still → no peer is declared dead, the line is down meanwhile', async () => {
    for (const stallMs of [500, 1300, 2000, 2800, 3300, 8000, 20_000]) {
      const world = new World();
      const control = world.process(EPOCH);
      const beat = () => {
        world.beat(EPOCH, { from: control });
        world.clock.setTimeout(beat, HEARTBEAT_MS);
      };
      world.clock.setTimeout(beat, 500);
      await world.clock.advance(3000);
      const endMs = world.clock.now() + stallMs;
      // What is sent meanwhile arrives afterwards; that of the peer comes last.
      world.network.fate = ({ from }) => ({
        copies: 1,
        delayMs: Math.max(0, endMs - world.clock.now()) + (from === 'decode-0' ? 100 : 0),
      });
      await world.clock.advance(stallMs - 1);
      expect(world.living.isLineUp).toBe(stallMs < 1300);
      await world.clock.advance(2);
      expect(world.living.isLineUp).toBe(true);
      await world.clock.advance(10_000);
      expect([stallMs, world.losses]).toEqual([stallMs, []]);
    }
  });

  test('NATS is away → silence counts from when the first own heartbeat comes back', async () => {
    const world = new World();
    const changes: boolean[] = [];
    world.living.onLine((isUp) => changes.push(isUp));
    world.control.setConnected(false);
    await world.clock.advance(20 * HEARTBEAT_MS);
    expect([world.losses, world.watch.state, changes]).toEqual([[], 'unheard', [false]]);
    world.control.setConnected(true);
    await world.clock.advance(SILENCE_MS);
    expect([world.losses, changes]).toEqual([[silent], [false, true]]);
    expect(world.counters.toJSON()).toMatchObject({ line_losses: 1 });
  });

  test('its heartbeats do not come back → it opens another connection', async () => {
    const world = new World();
    let reconnects = 0;
    world.control.reconnect = () => {
      reconnects += 1;
    };
    world.lose(({ from }) => from === 'prefill-0');
    await world.clock.advance(HEARTBEAT_MS);
    expect(reconnects).toBe(0);
    await world.clock.advance(HEARTBEAT_MS);
    expect(reconnects).toBe(1);
  });

  test('a process that is watched while the line is down is not suspected', async () => {
    const world = new World();
    world.control.setConnected(false);
    const watch = world.living.watch({ agent: 'decode-1', epoch: EPOCH }, () => undefined);
    await world.clock.advance(10 * HEARTBEAT_MS);
    expect(watch.state).toBe('unheard');
  });
});

test('P21: a process comes back after 2.7 heartbeats → its first heartbeat saves it', async () => {
  const world = new World();
  const control = world.process(EPOCH);
  control.setConnected(false);
  await world.clock.advance(2700);
  expect(world.watch.state).toBe('suspect');
  control.setConnected(true);
  world.beat();
  await world.clock.advance(HEARTBEAT_MS);
  expect([world.losses, world.watch.state]).toEqual([[], 'alive']);
});

test('a message that is no heartbeat is refused and counted, and changes nothing', async () => {
  const world = new World();
  const stranger = world.network.connect('stranger');
  stranger.publish(subjects.heartbeat('decode-0'), '{"v":2}');
  stranger.publish(subjects.heartbeat('decode-0'), 'x'.repeat(100));
  await world.clock.advance(1);
  expect(world.counters.toJSON()).toMatchObject({ messages_refused: 2 });
  expect([world.losses, world.fenced]).toEqual([[], []]);
});

test('stopped, it judges nobody any more', async () => {
  const world = new World();
  world.living.stop();
  await world.clock.advance(2 * SILENCE_MS);
  expect(world.losses).toEqual([]);
});
