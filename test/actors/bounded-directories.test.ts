/** P28: an agent knows a limited number of other processes, on each side. */
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { type AgentEnv, makeEnv } from '../../src/actors/env/agent-env.js';
import type { Living, Watch } from '../../src/actors/env/living.js';
import { ReceiverDirectory } from '../../src/actors/peers/receiver-directory.js';
import { SenderDirectory } from '../../src/actors/peers/sender-directory.js';
import type { ControlPort } from '../../src/ports/control.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import { PEERS_MAX } from '../../src/protocol/limits.js';
import { announcerOf, operationOf } from '../../src/protocol/subjects.js';
import { defaults } from './support.js';

const watch: Watch = { state: 'alive', loss: undefined, heard: () => undefined, close: () => undefined };
const living = { isLineUp: true, watch: () => watch, onLine: () => undefined } as unknown as Living;

/** Every agent that is asked is a receiver. None answers anything else. */
const control = {
  messageBytesMax: 1024 ** 2,
  request: (subject: string) => {
    if (operationOf(subject) !== 'describe') return new Promise<string>(() => undefined);
    const about = {
      agent: announcerOf(subject),
      epoch: 'd'.repeat(16),
      role: 'decode',
      state: 'running',
      version: 'x',
    };
    const endpoints = [{ provider: 'memory', detail: 'memory', address: 'nowhere' }];
    const arena = { path: '/x', epoch: 'd'.repeat(16), pageBytes: 64, pages: 1 };
    const description = { ...about, heartbeatMs: 1000, endpoints, unavailable: [], arena };
    return Promise.resolve(JSON.stringify({ v: 2, ok: true, ...description }));
  },
} as unknown as ControlPort;

function envOf(role: 'prefill' | 'decode'): AgentEnv {
  const fabric = { publicKey: 'B'.repeat(43), unreachable: () => undefined } as unknown as AgentEnv['fabric'];
  const ports = { control, fabric, clock: new SimulatedClock(), logger: pino({ level: 'silent' }) };
  return { ...makeEnv(ports, { ...defaults, agent: 'a', role }, '0'.repeat(16), () => undefined), living };
}

test('P28: more senders connect than there are remote keys → refused', () => {
  const listener = { granted: () => undefined, fenced: () => undefined, lost: () => undefined };
  const senders = new SenderDirectory(envOf('decode'), listener);
  const connect = (number: number) =>
    senders.connecting({ agent: `s${number}`, epoch: `e${number}`, heartbeatMs: 1000, publicKey: 'B'.repeat(43) });
  for (let number = 0; number < PEERS_MAX; number += 1) connect(number);
  expect(() => connect(PEERS_MAX)).toThrow(
    expect.objectContaining({ code: 'too_many_requests', field: 'subject' }) as Error,
  );
  expect(connect(7).agent).toBe('s7');
});

test('P28: more receivers answer than an agent sends to → the next one is refused', async () => {
  const receivers = new ReceiverDirectory(envOf('prefill'), () => undefined);
  for (let number = 0; number < PEERS_MAX; number += 1) await receivers.find(`r${number}`);
  await expect(receivers.find('more')).rejects.toMatchObject({ code: 'too_many_requests', field: 'receiver' });
  expect((await receivers.find('r7')).agent).toBe('r7');
});
