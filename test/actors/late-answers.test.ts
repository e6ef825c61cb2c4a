/** P28: an agent that answers a message later keeps only what it needs of it. */
import { setImmediate } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { serve } from '../../src/actors/agent/service.js';
import { type AgentEnv, makeEnv } from '../../src/actors/env/agent-env.js';
import type { ControlMessage, ControlPort } from '../../src/ports/control.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import { KvferryError } from '../../src/protocol/errors.js';
import { operationSchemas } from '../../src/protocol/operations.js';
import { senderOf } from '../../src/protocol/subjects.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { defaults } from './support.js';

const schemas = { renew: operationSchemas.renew };
const SESSION = 'a'.repeat(16);

/** Serves `renew`, which is answered with `answer`, and delivers one message. */
function delivered(answer: Promise<{ epoch: string; order: number }>) {
  let deliver: (message: ControlMessage) => void = () => undefined;
  const control = {
    subscribe: (_, handler) => {
      deliver = handler;
      return { close: () => undefined };
    },
  } satisfies Pick<ControlPort, 'subscribe'> as unknown as ControlPort;
  const ports = { control, fabric: {} as never, clock: new SimulatedClock(), logger: pino({ level: 'silent' }) };
  const options = { ...defaults, agent: 'a', role: 'prefill' as const };
  const env = makeEnv(ports, options, '0'.repeat(16), () => undefined) as AgentEnv;
  serve(env, 'renew', schemas, { renew: () => answer }, { operation: () => 'renew', from: senderOf, enter: (r) => r });
  const answers: { ok: boolean }[] = [];
  const body = `${JSON.stringify({ v: 2, session: SESSION })}${' '.repeat(1000)}`;
  const message: ControlMessage = {
    subject: 'agent.a.default.renew',
    body,
    respond: (text) => void answers.push(JSON.parse(text)),
  };
  deliver(message);
  return { answers, message: new WeakRef(message) };
}

test('P28: an answer comes later → the message is not kept until then', async () => {
  let decide: (answer: { epoch: string; order: number }) => void = () => undefined;
  const answer = new Promise<{ epoch: string; order: number }>((resolve) => {
    decide = resolve;
  });
  const { answers, message } = delivered(answer);
  await setImmediate();
  collectGarbage();
  expect([answers, message.deref()]).toEqual([[], undefined]);
  decide({ epoch: '0'.repeat(16), order: 1 });
  await setImmediate();
  expect(answers).toEqual([{ v: 2, ok: true, epoch: '0'.repeat(16), order: 1 }]);
});

test('an answer fails later → the refusal is sent', async () => {
  const { answers } = delivered(Promise.reject(new KvferryError('unknown_session', 'none', { field: 'session' })));
  await setImmediate();
  expect(answers).toEqual([{ v: 2, ok: false, error: { code: 'unknown_session', message: 'none', field: 'session' } }]);
});
