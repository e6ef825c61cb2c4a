/** A message costs no more than its size, however it is made, and what is kept of it no more than what is shown. */
import { expect, test } from 'vitest';
import { decode, toFailure } from '../../src/protocol/codec.js';
import { failure } from '../../src/protocol/fields.js';
import { operationSchemas } from '../../src/protocol/operations.js';
import { heartbeat, peerSchemas } from '../../src/protocol/peer-messages.js';
import { collectGarbage } from '../support/collect-garbage.js';

const MIB = 1024 ** 2;

function usedMiB(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed / MIB;
}

function refusal(schema: Parameters<typeof decode>[0], message: object) {
  try {
    decode(schema, JSON.stringify(message));
    return undefined;
  } catch (error) {
    return toFailure(error);
  }
}

test.each([
  ['lengths', 0],
  ['lengths', {}],
  ['pages', -1],
])('P28: 300,000 wrong elements of %s → one fault', (field, element) => {
  const list = new Array(300_000).fill(element);
  expect(refusal(peerSchemas.commit.request, { v: 2, [field]: list })).toEqual({
    code: 'invalid_field',
    message: expect.stringMatching(/^message: it has (a list of )?more than /),
    field: 'message',
  });
});

test('P28: a batch of lengths with every element wrong → the first one is named', () => {
  const lengths = new Array(8192).fill({ length: 0, count: 1 });
  const right = { v: 2, request: 'r', epoch: '0'.repeat(16), batch: 0, part: 0, pages: [], generations: [] };
  expect(refusal(peerSchemas.commit.request, { ...right, lengths })).toMatchObject({ field: 'lengths[0].length' });
});

test('P28: an object whose length has no value → invalid_field', () => {
  const request = { length: { toString: 1 } };
  expect(refusal(operationSchemas.status.request, { v: 2, request })).toEqual({
    code: 'invalid_field',
    message: 'message: a field has a value of a wrong type',
    field: 'message',
  });
});

test('P28: a text is cut → the rest of it is not kept', () => {
  const before = usedMiB();
  const kept = Array.from({ length: 100 }, (_, number) =>
    decode(failure, JSON.stringify({ code: 'internal', message: `${number}`.padEnd(900_000, 'x') })),
  );
  expect(usedMiB() - before).toBeLessThan(10);
  expect(kept.map(({ message }) => message.length)).toEqual(new Array(100).fill(1000));
});

test.each([
  ['an hour', 3_600_000],
  ['no time', 0],
  ['less time than a setting allows', 9],
])('P28: heartbeats of %s → refused', (_, interval) => {
  const refused = { code: 'invalid_field', field: 'heartbeatMs' };
  const beat = { v: 2, agent: 'a', epoch: '0'.repeat(16), role: 'prefill', heartbeatMs: interval };
  expect(refusal(heartbeat, beat)).toMatchObject(refused);
  const { v, epoch, heartbeatMs } = beat;
  const connect = { v, epoch, heartbeatMs, provider: 'tcp', connection: 1, publicKey: 'B'.repeat(43) };
  expect(refusal(peerSchemas.connect.request, connect)).toMatchObject(refused);
});

test('P28: a description of an agent with texts of 100 kB → they are cut', () => {
  const long = 'z'.repeat(100_000);
  const described = {
    ...{ v: 2, ok: true, agent: 'a', epoch: '0'.repeat(16), role: 'decode', state: 'running', version: long },
    ...{ heartbeatMs: 1000, endpoints: [{ provider: 'tcp', detail: long, address: 'host:1' }] },
    unavailable: [{ provider: 'verbs', reason: long }],
  };
  const { version, endpoints, unavailable } = decode(operationSchemas.describe.reply, JSON.stringify(described));
  expect([version, endpoints[0]?.detail, unavailable[0]?.reason].map((text) => text?.length)).toEqual([500, 500, 500]);
});
