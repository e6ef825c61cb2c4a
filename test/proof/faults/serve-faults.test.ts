import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { RefusalLog } from '../../../src/actors/observing/refusal-log.js';
import { KvferryClient } from '../../../src/client/kvferry-client.js';
import type { StruckFault } from '../../../src/proof/faults/faults.js';
import { serveFaults } from '../../../src/proof/faults/serve-faults.js';
import { MemoryControlNetwork } from '../../../src/proof/simulation/memory-control.js';
import { SimulatedClock } from '../../../src/proof/simulation/simulated-clock.js';
import { decodeReply } from '../../../src/protocol/codec.js';
import { type FaultRequest, faultReply } from '../../../src/protocol/faults.js';
import { FAULT_MS_MAX } from '../../../src/protocol/limits.js';
import { subjects } from '../../../src/protocol/subjects.js';
import { silent } from './support.js';

const epoch = '00000000000000aa';

/** An agent's service whose faults only note that they have struck. */
function setUp(strike?: (request: Pick<FaultRequest, 'fault' | 'forMs'>) => StruckFault, logger = silent) {
  const clock = new SimulatedClock();
  const network = new MemoryControlNetwork(clock);
  const control = network.connect('agent');
  const events: string[] = [];
  const note = ({ fault, forMs }: Pick<FaultRequest, 'fault' | 'forMs'>): StruckFault => {
    const lasts = forMs === undefined ? {} : { forMs };
    if (fault === 'kill') return { ...lasts, afterAnswer: () => void events.push('kill') };
    events.push(fault);
    return lasts;
  };
  const faults = { strike: strike ?? note };
  serveFaults({ control, clock, logger, agent: 'a', epoch, faults, refusals: new RefusalLog(logger) });
  const people = network.connect('people');
  const settle = async <T>(promise: Promise<T>): Promise<T> => {
    let done = false;
    const finish = () => {
      done = true;
    };
    promise.then(finish, finish);
    await clock.until(() => done);
    return promise;
  };
  const order = async (body: object) => {
    const answer = await settle(people.request(subjects.fault('a'), JSON.stringify(body), { timeoutMs: 5000 }));
    return decodeReply(faultReply, answer);
  };
  return { clock, control, people, events, settle, order, client: new KvferryClient(people) };
}

describe('an order to make a fault happen', () => {
  test('is answered when it has happened', async () => {
    const { events, settle, client } = setUp();
    expect(await settle(client.fault('a', { fault: 'partition', forMs: 7 }))).toEqual({
      v: 2,
      ok: true,
      agent: 'a',
      epoch,
      forMs: 7,
    });
    expect(events).toEqual(['partition']);
  });

  test('is answered first, when the process could not do it later', async () => {
    const { control, clock, events, settle, client } = setUp();
    let flushed: () => void = () => undefined;
    control.flush = () => {
      events.push('flush');
      return new Promise<void>((resolve) => {
        flushed = resolve;
      });
    };
    expect(await settle(client.fault('a', { fault: 'kill' }))).toEqual({ v: 2, ok: true, agent: 'a', epoch });
    expect(events).toEqual(['flush']);
    flushed();
    await clock.advance(0);
    expect(events).toEqual(['flush', 'kill']);
  });

  test.each([
    ['cannot be brought to NATS', () => Promise.reject(new Error('broken'))],
    ['is not brought to NATS in time', () => new Promise<void>(() => undefined)],
  ])('happens all the same when its answer %s', async (_, flush) => {
    const { control, clock, events, settle, client } = setUp();
    control.flush = flush;
    await settle(client.fault('a', { fault: 'kill' }));
    await clock.advance(1000);
    expect(events).toEqual(['kill']);
  });

  test('passes on that there is no such agent', async () => {
    const { settle, client } = setUp();
    await expect(settle(client.fault('b', { fault: 'kill' }))).rejects.toMatchObject({ code: 'no_responders' });
  });

  test.each([
    [{}, 'invalid_field', 'fault'],
    [{ fault: 'explode' }, 'invalid_field', 'fault'],
    [{ fault: 'stop', forMs: 0 }, 'invalid_field', 'forMs'],
    [{ fault: 'stop', forMs: FAULT_MS_MAX + 1 }, 'invalid_field', 'forMs'],
    [{ fault: 'stop', forMs: 1.5 }, 'invalid_field', 'forMs'],
    [{ fault: 'stop', surprise: 1 }, 'invalid_field', 'surprise'],
    [{ v: 3, fault: 'stop' }, 'unsupported_version', 'v'],
  ])('the order %j is refused', async (body, code, field) => {
    const { events, order } = setUp();
    await expect(order({ v: 2, ...body })).rejects.toMatchObject({ code, field });
    expect(events).toEqual([]);
  });

  test('P28: a flood of wrong orders → some of each second are logged', async () => {
    const lines: string[] = [];
    const { clock, people } = setUp(undefined, pino({ level: 'warn' }, { write: (line) => void lines.push(line) }));
    for (let count = 0; count < 1000; count += 1) people.publish(subjects.fault('a'), '{}');
    await clock.advance(100);
    expect(lines).toHaveLength(50);
  });

  test('that fails is answered with an error, without its details', async () => {
    const { settle, client } = setUp(() => {
      throw new TypeError('secret');
    });
    await expect(settle(client.fault('a', { fault: 'kill' }))).rejects.toMatchObject({
      code: 'internal',
      message: 'injecting the fault failed',
    });
  });
});
