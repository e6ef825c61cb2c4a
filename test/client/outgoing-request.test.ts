/** One request on its way: what is repeated, what an answer to a repetition means, and how it ends. */
import { beforeEach, describe, expect, test } from 'vitest';
import { EngineSession } from '../../src/client/engine-session.js';
import { KvferryClient } from '../../src/client/kvferry-client.js';
import { OutgoingRequest, type RequestPlan } from '../../src/client/outgoing-request.js';
import { RequestEnds } from '../../src/client/request-ends.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import {
  answerSessions,
  epoch,
  noAnswer,
  nobodyThere,
  refusal,
  ScriptedAgent,
  successor,
  TERMINALS,
  terminal,
} from './scripted-agent.js';

const plan: RequestPlan = { request: 'r', receiver: 'd', totalChunks: 2, timeoutMs: 1000 };
const chunk = (key: string) => ({ key, segment: 's', offset: 0, length: 64 });

let agent: ScriptedAgent;
let clock: SimulatedClock;
let ends: RequestEnds;

const SESSION = '00000000000000f1';

let client: KvferryClient;
let session: EngineSession;

beforeEach(async () => {
  agent = new ScriptedAgent();
  clock = new SimulatedClock();
  client = new KvferryClient(agent);
  answerSessions(agent, () => epoch);
  agent.answers.put = () => ({ epoch });
  session = await sessionAt('p');
  agent.asked.length = 0;
});

function sessionAt(name: string, patienceMs = 5000): Promise<EngineSession> {
  let opened = 0;
  const newId = () => {
    opened += 1;
    return `00000000000000f${opened}`;
  };
  const options = { client, agent: name, holder: 'e', clock, call: {}, patienceMs, newId };
  return EngineSession.open(options);
}

function begin(more: Partial<RequestPlan> = {}): OutgoingRequest {
  ends = new RequestEnds(client, { clock });
  return new OutgoingRequest({ ...plan, ...more }, { session, ends, clock, patienceMs: 5000 });
}

/** A request whose first batch is accepted. */
async function begun(): Promise<OutgoingRequest> {
  const outgoing = begin();
  await outgoing.put([chunk('a')]);
  return outgoing;
}

/** Answers to `put`, one after the other. */
function answer(...answers: (object | (() => object))[]): void {
  agent.answers.put = () => {
    const next = answers.shift() as object | (() => object);
    return typeof next === 'function' ? next() : next;
  };
}

/** What `work` comes to when time goes on. */
async function settle<T>(work: Promise<T>): Promise<T | { code: string; message: string }> {
  const settled = work.catch(({ code, message }: { code: string; message: string }) => ({ code, message }));
  await clock.advance(20_000);
  return settled;
}

describe('batches', () => {
  test('chunks that one message cannot carry → several batches, one of them last', async () => {
    agent.messageBytesMax = 2000;
    const keys = ['a', 'b', 'c', 'd', 'e'].map((name) => name.padEnd(400, 'k'));
    const outgoing = begin({ totalChunks: 5 });
    expect(await outgoing.put(keys.map(chunk))).toBe(epoch);
    const sent = agent.bodiesOf('put') as { batch: number; last: boolean; keys: string[] }[];
    expect(sent.map(({ batch, last, keys: part }) => ({ batch, last, keys: part }))).toEqual([
      { batch: 0, last: false, keys: keys.slice(0, 2) },
      { batch: 1, last: false, keys: keys.slice(2, 4) },
      { batch: 2, last: true, keys: keys.slice(4) },
    ]);
    expect(sent.every((body) => JSON.stringify(body).length <= 2000)).toBe(true);
  });

  test('a batch of several is refused → the later ones are not sent', async () => {
    agent.messageBytesMax = 1500;
    answer({ epoch }, refusal('invalid_field'));
    const outgoing = begin({ totalChunks: 4 });
    const keys = ['a', 'b', 'c', 'd'].map((name) => name.padEnd(500, 'k'));
    expect(await settle(outgoing.put(keys.map(chunk)))).toMatchObject({ code: 'invalid_field' });
    expect(agent.bodiesOf('put')).toHaveLength(2);
  });

  test('are numbered, and the one that completes the request is the last', async () => {
    const outgoing = begin();
    expect(outgoing.epoch).toBeUndefined();
    expect(await Promise.all([outgoing.put([chunk('a')]), outgoing.put([chunk('b')])])).toEqual([epoch, epoch]);
    expect(agent.bodiesOf('put').map((body) => body as { batch: number; last: boolean })).toMatchObject([
      { batch: 0, last: false, keys: ['a'] },
      { batch: 1, last: true, keys: ['b'] },
    ]);
  });

  test('can leave the end to an empty one', async () => {
    const outgoing = begin();
    await outgoing.put([chunk('a'), chunk('b')], { last: false });
    await outgoing.put([]);
    expect(agent.bodiesOf('put')).toMatchObject([{ last: false }, { batch: 1, last: true, keys: [], source: [] }]);
  });

  test('bring ranks and headers of the plan', async () => {
    const ranks = { rank: 0, members: [{ sender: 'p', receiver: 'd' }] };
    const headers = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };
    await begin({ ranks, headers }).put([chunk('a')]);
    expect(agent.asked).toMatchObject([{ body: { ranks }, headers }]);
  });

  test('are refused after one that was refused', async () => {
    answer(refusal('agent_draining'));
    const outgoing = begin();
    const puts = [outgoing.put([chunk('a')]), outgoing.put([chunk('b')])].map((put) => settle(put));
    expect(await Promise.all(puts)).toMatchObject([{ code: 'agent_draining' }, { code: 'agent_draining' }]);
    expect(agent.bodiesOf('put')).toHaveLength(1);
  });
});

describe('a put without an answer', () => {
  test('is repeated with the same content and number', async () => {
    answer(noAnswer, { epoch });
    expect(await settle(begin().put([chunk('a')]))).toBe(epoch);
    const [first, second] = agent.bodiesOf('put');
    expect(first).toMatchObject({ session: SESSION, order: 0 });
    expect(second).toEqual(first);
  });

  test('is not waited for without limit → a barrier bars its number', async () => {
    agent.answers.put = noAnswer;
    agent.answers.barrier = () => ({ epoch, barred: [0] });
    expect(await settle(begin().put([chunk('a')]))).toMatchObject({ code: 'deadline_exceeded' });
    expect(agent.bodiesOf('barrier')).toEqual([{ v: 2, session: SESSION, order: 1 }]);
  });

  test('behind one whose message was lost → both are executed, in order', async () => {
    let lost = 1;
    const executed: number[] = [];
    agent.answers.put = (body) => {
      const { order } = body as { order: number };
      if (order === 0 && lost > 0) {
        lost -= 1;
        return noAnswer();
      }
      if (order > executed.length) return refusal('order_out_of_turn', { order: executed.length });
      executed.push(order);
      return { epoch };
    };
    const puts = [begin().put([chunk('a')]), begin({ request: 'q' }).put([chunk('b')])];
    expect(await Promise.all(puts.map((put) => settle(put)))).toEqual([epoch, epoch]);
    expect(executed).toEqual([0, 1]);
  });

  test('behind a barrier → it gets another number', async () => {
    answer(refusal('order_barred'), { epoch });
    expect(await settle(begin().put([chunk('a')]))).toBe(epoch);
    expect(agent.bodiesOf('put')).toMatchObject([{ order: 0 }, { order: 1 }]);
  });
});

test('40 orders at once → 32 are under way, and the others follow', async () => {
  const underWay: (() => void)[] = [];
  const request = agent.request.bind(agent);
  agent.request = async (...message) => {
    await new Promise<void>((resolve) => underWay.push(resolve));
    return request(...message);
  };
  let executed = 0;
  for (let number = 0; number < 40; number += 1) {
    void session.order('cancel', { request: `r${number}` }).then((outcome) => {
      executed += Number(outcome.executed);
    });
  }
  await clock.advance(0);
  expect([underWay.length, executed]).toEqual([32, 0]);
  for (const answered of underWay) {
    answered();
    await clock.advance(0);
  }
  expect([underWay.length, executed]).toEqual([40, 40]);
});

describe('an answer to a put', () => {
  test.each(['request_ended', 'invalid_field', 'duplicate_batch'])('the answer %s is an error', async (code) => {
    answer(refusal(code));
    expect(await settle(begin().put([chunk('a')]))).toMatchObject({ code });
    expect(agent.bodiesOf('put')).toHaveLength(1);
  });

  test('an agent that is away → the same number; a receiver → the next one', async () => {
    answer(nobodyThere, refusal('unknown_receiver'), { epoch });
    expect(await settle(begin().put([chunk('a')]))).toBe(epoch);
    expect(agent.bodiesOf('put')).toMatchObject([{ order: 0 }, { order: 0 }, { order: 1 }]);
  });

  test('an agent that stays away is not waited for without limit', async () => {
    agent.answers.put = nobodyThere;
    expect(await settle(begin().put([chunk('a')]))).toMatchObject({ code: 'no_responders' });
  });

  /** The agent gives its name up before it receives the put, and its next process is noticed before the put is repeated. */
  function handOver(): void {
    agent.answers.put = () => {
      agent.answers.open = () => ({ epoch: successor, silentMs: 30_000, order: 0 });
      agent.answers.put = () => ({ epoch: successor });
      agent.emitHeartbeat('p', successor);
      return nobodyThere();
    };
  }

  test('T22: a name that is handed over before a put arrives → the next session', async () => {
    const outgoing = begin();
    handOver();
    expect(await settle(outgoing.put([chunk('a')]))).toBe(successor);
    expect(agent.bodiesOf('put')).toMatchObject([
      { session: SESSION, order: 0 },
      { session: '00000000000000f2', order: 0 },
    ]);
  });

  test('T22: a name that is handed over before a later batch → sender_lost', async () => {
    const outgoing = await begun();
    handOver();
    expect(await settle(outgoing.put([chunk('b')]))).toMatchObject({ code: 'sender_lost' });
  });

  test.each([
    [successor, 'sender_lost'],
    [epoch, 'session_ended'],
  ])('a later batch when the next session is at %s → %s', async (running, code) => {
    answer({ epoch }, refusal('unknown_session'));
    const outgoing = begin();
    await outgoing.put([chunk('a')]);
    agent.answers.open = () => ({ epoch: running, silentMs: 30_000, order: 0 });
    expect(await settle(outgoing.put([chunk('b')]))).toMatchObject({ code });
    expect(agent.bodiesOf('put')).toHaveLength(2);
  });
});

test('a later batch without patience, its session over → the error says why', async () => {
  session = await sessionAt('p', 0);
  answer({ epoch }, refusal('unknown_session'));
  const outgoing = begin();
  await outgoing.put([chunk('a')]);
  agent.answers.open = () => ({ epoch: successor, silentMs: 30_000, order: 0 });
  expect(await settle(outgoing.put([chunk('b')]))).toMatchObject({ code: 'sender_lost' });
});

describe('the end', () => {
  test('is the first terminal event of the request', async () => {
    const outgoing = begin();
    await outgoing.put([chunk('a'), chunk('b')]);
    await clock.advance(30);
    agent.emit(TERMINALS, terminal('other'));
    agent.emit(TERMINALS, terminal('r', 'expired', { reason: { code: 'deadline_exceeded', message: 'late' } }));
    agent.emit(TERMINALS, terminal('r', 'failed'));
    expect(await outgoing.end()).toMatchObject({ event: { end: 'expired' }, atMs: 30 });
    await expect(outgoing.ready()).rejects.toMatchObject({
      code: 'deadline_exceeded',
      message: 'request r ended expired: late',
    });
  });

  test('P17, T29: of an offer whose ranks were named late → counts', async () => {
    const outgoing = begin({ receiver: undefined });
    await outgoing.put([chunk('a')]);
    agent.emit(TERMINALS, terminal('r', 'ready', { epoch: successor, lead: 'd0' }));
    expect((await outgoing.end()).event).toMatchObject({ epoch: successor, lead: 'd0' });
  });

  test('an event of another process → it does not count', async () => {
    const outgoing = begin();
    await outgoing.put([chunk('a')]);
    agent.emit(TERMINALS, terminal('r', 'failed', { epoch: successor }));
    agent.emit(TERMINALS, terminal('r', 'ready'));
    expect(await outgoing.end()).toMatchObject({ event: { end: 'ready', epoch } });
  });

  test('ready is what `ready` waits for', async () => {
    const outgoing = begin();
    agent.emit(TERMINALS, terminal('r'));
    expect(await outgoing.ready()).toMatchObject({ event: { end: 'ready', epoch } });
  });

  test('an end that does not come is not waited for without limit', async () => {
    expect(await settle(begin().end())).toEqual({
      code: 'deadline_exceeded',
      message: 'no agent announced the end of request r within 11000 ms',
    });
  });

  test('is not waited for after the signal', async () => {
    const stop = new AbortController();
    const waiting = begin().end({ signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(begin().end({ signal: stop.signal })).rejects.toThrow('enough');
  });

  test.each([
    ['refused', () => refusal('invalid_field')],
    ['barred', noAnswer],
  ])('a later batch is %s → the request still has its end', async (_, second) => {
    answer({ epoch }, second, second);
    agent.answers.barrier = () => ({ epoch, barred: [1] });
    const outgoing = new OutgoingRequest(plan, {
      ...{ session: await sessionAt('p', 0), ends: new RequestEnds(client, { clock }) },
      ...{ clock, patienceMs: 0 },
    });
    await outgoing.put([chunk('a')]);
    await expect(outgoing.put([chunk('b')])).rejects.toThrow();
    await clock.advance(1000);
    agent.emit(TERMINALS, terminal('r', 'failed'));
    expect(await outgoing.end()).toMatchObject({ event: { end: 'failed' } });
  });

  test('is not expected of a request that was refused', async () => {
    answer(refusal('agent_draining'));
    const outgoing = begin();
    await expect(outgoing.put([chunk('a')])).rejects.toThrow();
    const again = ends.expect('r');
    agent.emit(TERMINALS, terminal('r'));
    expect(await again).toMatchObject({ event: { request: 'r' } });
    expect(await settle(outgoing.end())).toMatchObject({ code: 'deadline_exceeded' });
  });
});

describe('ends that are expected and do not come', () => {
  test('the first put was barred → its end is expected no longer', async () => {
    agent.answers.put = noAnswer;
    agent.answers.barrier = () => ({ epoch, barred: [0] });
    expect(await settle(begin().put([chunk('a')]))).toMatchObject({ code: 'deadline_exceeded' });
    const again = settle(ends.expect('r').then(({ event }) => event.epoch));
    agent.emit(TERMINALS, { ...terminal('r'), epoch: successor });
    expect(await again).toBe(successor);
  });

  test('65,536 newer ones are expected → the oldest one is given up', async () => {
    ends = new RequestEnds(client, { clock });
    let isGivenUp = false;
    const given = ends.expect('oldest').catch(({ code, message }) => {
      isGivenUp = true;
      return `${code}: ${message}`;
    });
    for (let number = 0; number < 65_535; number += 1) void ends.expect(`r${number}`);
    const next = ends.expect('r0');
    await clock.advance(0);
    expect(isGivenUp).toBe(false);
    void ends.expect('newest');
    expect(await given).toContain('too_many_requests: the end of request oldest is expected no longer');
    agent.emit(TERMINALS, terminal('r0'));
    expect(await next).toMatchObject({ event: { request: 'r0' } });
  });
});

describe('cancel', () => {
  test('waits for the answer to a put, which it might overtake', async () => {
    const order: string[] = [];
    const outgoing = begin();
    const put = outgoing.put([chunk('a')]).then(() => order.push('put'));
    const cancelled = outgoing.cancel().then((end) => order.push(`cancelled ${end}`));
    await Promise.all([put, cancelled]);
    expect(order).toEqual(['put', 'cancelled undefined']);
    expect(agent.bodiesOf('cancel')).toEqual([{ v: 2, request: 'r', session: SESSION, order: 1 }]);
  });

  test('resolves with the end of a request that has ended', async () => {
    agent.answers.cancel = () => ({ end: 'ready' });
    expect(await (await begun()).cancel()).toBe('ready');
  });

  test('is done when the agent does not know the request', async () => {
    agent.answers.cancel = () => refusal('unknown_request');
    expect(await (await begun()).cancel()).toBeUndefined();
  });

  test('is not sent to the next session, which does not have the request', async () => {
    const outgoing = await begun();
    agent.answers.cancel = () => refusal('unknown_session');
    agent.answers.open = () => ({ epoch: successor, silentMs: 30_000, order: 0 });
    expect(await settle(outgoing.cancel())).toBeUndefined();
    expect(agent.bodiesOf('cancel')).toHaveLength(1);
  });

  test('is repeated when no answer comes', async () => {
    const answers = [noAnswer, () => ({})];
    agent.answers.cancel = () => (answers.shift() as () => object)();
    expect(await settle((await begun()).cancel())).toBeUndefined();
    expect(agent.bodiesOf('cancel')).toHaveLength(2);
  });

  test('cancel before the first put → no later put is sent', async () => {
    const outgoing = begin();
    expect(await outgoing.cancel()).toBeUndefined();
    await expect(outgoing.put([chunk('a')])).rejects.toMatchObject({ code: 'cancelled_by_caller' });
    expect(agent.operations).toEqual([]);
  });

  test('cancel between two batches → the second one is not sent', async () => {
    const outgoing = await begun();
    await outgoing.cancel();
    await expect(outgoing.put([chunk('b')])).rejects.toMatchObject({ code: 'cancelled_by_caller' });
    expect(agent.bodiesOf('put')).toHaveLength(1);
  });
});

describe('a client that closes', () => {
  test('the client closes before the end → the wait rejects at once, with no timer left', async () => {
    const outgoing = begin();
    await outgoing.put([chunk('a')]);
    const waiting = Promise.all([outgoing.end(), outgoing.ready()].map((wait) => wait.catch(({ code }) => code)));
    await client.close();
    expect(await waiting).toEqual(['closed', 'closed']);
    expect(clock.now()).toBe(0);
  });
});

test('the put of one rank is refused → the other rank still gets the end', async () => {
  ends = new RequestEnds(client, { clock });
  const [first, second] = [session, await sessionAt('q')].map(
    (one) => new OutgoingRequest(plan, { session: one, ends, clock, patienceMs: 0 }),
  ) as [OutgoingRequest, OutgoingRequest];
  await first.put([chunk('a')]);
  answer(refusal('invalid_field'));
  await expect(second.put([chunk('b')])).rejects.toMatchObject({ code: 'invalid_field' });
  agent.emit(TERMINALS, terminal('r'));
  expect((await first.end()).event.end).toBe('ready');
});

test('the end of a request that has ended is not the end of a later one of its name', async () => {
  ends = new RequestEnds(client, { clock });
  const first = ends.expect('r');
  agent.emit(TERMINALS, terminal('r'));
  expect((await first).event.epoch).toBe(epoch);
  let ended = false;
  void ends.expect('r').then(() => {
    ended = true;
  });
  await clock.advance(1);
  expect(ended).toBe(false);
  agent.emit(TERMINALS, terminal('r', 'failed', { epoch: successor }));
  await clock.advance(1);
  expect(ended).toBe(true);
});
