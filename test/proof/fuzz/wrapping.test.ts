import { expect, test } from 'vitest';
import { Random } from '../../../src/figures/random.js';
import { padded, strangeHeaders } from './wrapping.js';

const DRAWS = 20_000;
/** `max_payload` of a NATS server, which counts headers and body. */
const MAX_PAYLOAD = 1_048_576;

test('padded bodies with strange headers → some are large, and NATS takes them all', () => {
  const random = new Random(1);
  const sizes = Array.from({ length: DRAWS }, () => {
    const body = padded('{}', random);
    const headers = strangeHeaders(body.length, random);
    const values = [...(headers ?? [])].flatMap(([name, texts]) => [name, ...texts]);
    return { body: body.length, headers: values.reduce((total, text) => total + text.length + 4, 0) };
  });
  expect(Math.max(...sizes.map(({ body, headers }) => body + headers))).toBeLessThan(MAX_PAYLOAD);
  expect(sizes.some(({ body, headers }) => body > 500_000 && headers > 0)).toBe(true);
  expect(sizes.some(({ headers }) => headers > 400_000)).toBe(true);
});
