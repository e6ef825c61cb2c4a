/** P28: a question to a peer that is asked again later keeps nothing of the attempts before. */
import { setImmediate } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { type AgentEnv, makeEnv } from '../../src/actors/env/agent-env.js';
import { insist } from '../../src/actors/peers/peer-call.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import { KvferryError } from '../../src/protocol/errors.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { defaults } from './support.js';

test('P28: no peer listens → what NATS sent is not kept until the next attempt', async () => {
  const ports = { control: {}, fabric: {}, clock: new SimulatedClock(), logger: pino({ level: 'silent' }) };
  const options = { ...defaults, agent: 'a', role: 'prefill' as const };
  const env = makeEnv(ports as never, options, '0'.repeat(16), () => undefined) as AgentEnv;
  const sent: WeakRef<object>[] = [];
  const attempt = async () => {
    const message = { bytes: Buffer.alloc(1000) };
    sent.push(new WeakRef(message));
    throw new KvferryError('no_responders', 'no agent listens', { cause: message });
  };
  insist(env, { what: 'agent b did not answer', deadlineMs: 60_000 }, attempt).catch(() => undefined);
  for (let turn = 0; turn < 3; turn += 1) await setImmediate();
  collectGarbage();
  expect(sent.map((message) => message.deref())).toEqual([undefined]);
});
