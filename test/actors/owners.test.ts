import { describe, expect, test } from 'vitest';
import { type Actor, assign, createActor, setup } from 'xstate';
import type { AgentEffects } from '../../machines/agent.js';
import { effect } from '../../machines/effect.js';
import { Journal } from '../../src/actors/observing/journal.js';
import { ObservedActors } from '../../src/actors/observing/observed-actors.js';
import { Owners } from '../../src/actors/running/owners.js';

const effects = { ring: effect(), pay: effect<{ amount: number }>() };
type BellEffects = typeof effects;

const bellMachine = setup({
  types: { context: {} as { rings: number }, events: {} as { type: 'press' } | { type: 'stop' } },
  actions: { ...effects, count: assign(({ context }) => ({ rings: context.rings + 1 })) },
}).createMachine({
  id: 'agent',
  context: { rings: 0 },
  initial: 'on',
  states: {
    on: {
      on: {
        press: { actions: ['ring', 'count', { type: 'pay', params: { amount: 3 } }] },
        stop: 'off',
      },
    },
    off: { type: 'final', entry: 'ring' },
  },
});

/** An owner that writes down what its machine asks for. */
class Bell {
  readonly seen: unknown[] = [];
  readonly errors: unknown[] = [];
  readonly actors = new ObservedActors(clock, new Journal(clock, 10));
  readonly actor: Actor<typeof bellMachine>;
  onRing: () => void | Promise<void> = () => undefined;

  constructor() {
    this.actor = createActor(logic);
    const onError = (error: unknown) => this.errors.push(error);
    owners.start(this.actor, this, { task: { about: {} }, actors: this.actors, onError });
  }

  get live(): string[] {
    return this.actors.matching(() => true).map(({ identity }) => identity.machine);
  }
}

const clock = { now: () => 0, setTimeout: () => undefined, clearTimeout: () => undefined };
const owners = new Owners<Bell, BellEffects>();
const logic = owners.provide(bellMachine, {
  ring: (owner, { context, event }) => {
    owner.seen.push({ ring: context.rings, event: event.type, now: owner.actor.getSnapshot().context.rings });
    return owner.onRing();
  },
  pay: (owner, { context }, { amount }) => {
    owner.seen.push({ pay: amount, rings: context.rings });
  },
});

describe('Owners', () => {
  test('effects run in order when their step is complete, on the owner of their actor', () => {
    const [one, other] = [new Bell(), new Bell()];
    one.actor.send({ type: 'press' });

    expect(one.seen).toEqual([
      { ring: 0, event: 'press', now: 1 },
      { pay: 3, rings: 1 },
    ]);
    expect(other.seen).toEqual([]);
  });

  test('an event that an effect sends is handled after the effects of its own step', () => {
    const bell = new Bell();
    let rest = 1;
    bell.onRing = () => {
      rest -= 1;
      if (rest === 0) bell.actor.send({ type: 'press' });
    };
    bell.actor.send({ type: 'press' });

    expect(bell.seen).toEqual([
      { ring: 0, event: 'press', now: 1 },
      { pay: 3, rings: 1 },
      { ring: 1, event: 'press', now: 2 },
      { pay: 3, rings: 2 },
    ]);
  });

  test('an effect that throws stops its actor, and drops the effects after it', () => {
    const [one, other] = [new Bell(), new Bell()];
    const error = new Error('the bell broke');
    one.onRing = () => {
      throw error;
    };
    one.actor.send({ type: 'press' });

    expect(one.errors).toEqual([error]);
    expect(one.seen).toEqual([{ ring: 0, event: 'press', now: 1 }]);
    expect([one.actor.getSnapshot().status, one.live]).toEqual(['stopped', []]);
    expect([other.actor.getSnapshot().status, other.live]).toEqual(['active', ['agent']]);
  });

  test('an effect that rejects later stops its actor too', async () => {
    const bell = new Bell();
    const error = new Error('the bell broke');
    bell.onRing = () => Promise.reject(error);
    bell.actor.send({ type: 'press' });
    await Promise.resolve();

    expect([bell.errors, bell.actor.getSnapshot().status]).toEqual([[error], 'stopped']);
  });

  test('an actor that ends runs its last effects, and is listed no longer', () => {
    const bell = new Bell();
    bell.actor.send({ type: 'stop' });

    expect(bell.seen).toEqual([{ ring: 0, event: 'stop', now: 0 }]);
    expect([bell.errors, bell.live]).toEqual([[], []]);
  });

  test('an actor that no owner has started cannot run effects', () => {
    const actor = createActor(logic, { id: 'bell-7' });
    const errors: unknown[] = [];
    actor.subscribe({ error: (error) => errors.push(error) });
    actor.start();
    actor.send({ type: 'press' });

    expect(errors).toEqual([new Error('actor bell-7 has no owner: start it with Owners.start')]);
  });

  test('the compiler refuses effects that do not match the machine', () => {
    const ring = () => undefined;
    const others = new Owners<Bell, BellEffects>();
    // @ts-expect-error: `pay` is missing
    others.provide(bellMachine, { ring });
    // @ts-expect-error: the machine has no effect `knock`
    others.provide(bellMachine, { ring, pay: ring, knock: ring });
    // @ts-expect-error: the amount is a number
    others.provide(bellMachine, { ring, pay: (_owner, _step, { amount }: { amount: string }) => void amount });
    // @ts-expect-error: the machine has other events
    others.provide(bellMachine, { ring: (_owner, { event }) => void (event.type === 'knock'), pay: ring });
    // @ts-expect-error: these are the effects of another machine
    new Owners<Bell, AgentEffects>().provide(bellMachine, { close: ring });
    expect(others.provide(bellMachine, { ring, pay: ring })).toBeInstanceOf(bellMachine.constructor);
  });
});
