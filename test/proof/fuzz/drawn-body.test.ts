import { expect, test } from 'vitest';
import type { z } from 'zod';
import { Random } from '../../../src/figures/random.js';
import { decode } from '../../../src/protocol/codec.js';
import { faultRequest } from '../../../src/protocol/faults.js';
import { operationSchemas } from '../../../src/protocol/operations.js';
import { heartbeat, peerSchemas } from '../../../src/protocol/peer-messages.js';
import { drawnBody } from './drawn-body.js';
import { messageShapes } from './message-shapes.js';
import { damagedBytes, inflatedField, spoiltField } from './spoil.js';

const DRAWS = 300;
const epoch = '0123456789abcdef';
const pools = {
  ...{ request: ['r'], epoch: [epoch], epochs: [epoch], receiverEpoch: [epoch], session: [epoch], agent: ['a'] },
  ...{ sender: ['a'], receiver: ['b'], holder: ['h'], keys: ['k0', 'k1', 'k2'], key: ['k0'], segment: ['s'] },
  ...{ grant: ['g'], path: ['/dev/shm/s'], silentMs: [1000], batch: [0], publicKey: ['A'.repeat(43)] },
};
const schemas: Readonly<Record<string, z.ZodType>> = {
  ...Object.fromEntries(
    Object.entries({ ...operationSchemas, ...peerSchemas }).map(([name, { request }]) => [name, request]),
  ),
  ...{ discover: operationSchemas.describe.request, lookupAll: operationSchemas.lookup.request },
  ...{ fault: faultRequest, heartbeat },
};

function isRight(schema: z.ZodType, body: object): boolean {
  try {
    decode(schema, JSON.stringify(body));
    return true;
  } catch {
    return false;
  }
}

test('bodies drawn of every message an agent receives → right ones are among them', () => {
  const random = new Random(1);
  const shapes = messageShapes();
  const without = shapes.filter((shape) => {
    const schema = schemas[shape.name] as z.ZodType;
    return !Array.from({ length: DRAWS }, () => drawnBody(shape, pools, random)).some((body) => isRight(schema, body));
  });
  expect(without.map(({ name }) => name)).toEqual([]);
  expect(shapes.length).toBeGreaterThan(35);
});

test('the same seed → the same messages, right and wrong', () => {
  const draw = (seed: number) => {
    const random = new Random(seed);
    return messageShapes()
      .slice(0, 5)
      .map((shape) => {
        const body = drawnBody(shape, pools, random);
        return [spoiltField(body, random), inflatedField(body, random), damagedBytes(JSON.stringify(body), random)];
      });
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});
