/** Tokens of remote keys do not get into a recording. */
import { expect, test } from 'vitest';
import { Redaction } from '../../../src/observe/recording/redaction.js';

const redaction = new Redaction('salt');

test('a token becomes the same text everywhere, with another salt another text', () => {
  const token = 'secret "quoted" \\ ü';
  const hidden = redaction.token(token);
  expect(hidden).toMatch(/^redacted-[0-9a-f]{16}$/);
  expect(redaction.token(token)).toBe(hidden);
  expect(redaction.token('another')).not.toBe(hidden);
  expect(new Redaction('other').token(token)).not.toBe(hidden);
  expect(redaction.body(JSON.stringify({ ok: true, grant: { id: 'g', token, arenaBytes: 1 } }))).toBe(
    JSON.stringify({ ok: true, grant: { id: 'g', token: hidden, arenaBytes: 1 } }),
  );
});

test('it is found however the sender of a message writes it', () => {
  const body = redaction.body('{ "token" :\n "secret", "b": { "token":"secret" } }');
  expect(body).not.toContain('secret');
  expect(JSON.parse(body)).toEqual({ token: redaction.token('secret'), b: { token: redaction.token('secret') } });
  expect(redaction.body('{"token":"sec\\ret"')).not.toContain('sec');
});

test('nothing else is changed', () => {
  const body = JSON.stringify({ keys: ['"token":"a"', 'token'], text: '{"token":"b"}' });
  expect(redaction.body(body)).toBe(body);
});
