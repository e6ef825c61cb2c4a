/** P31: an agent that was asked cannot tell where the answers of others come. */
import { expect, test } from 'vitest';
import { Questions } from '../../src/control/nats-questions.js';
import { KvferryError } from '../../src/protocol/errors.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('P31: two programs ask 100 questions each → 200 random tokens', async () => {
  const tokens: string[] = [];
  const ended: Promise<unknown>[] = [];
  for (const questions of [new Questions('_INBOX'), new Questions('_INBOX')]) {
    for (let asked = 0; asked < 100; asked += 1) {
      const answer = questions.ask('a.subject', 60_000, (reply) => tokens.push(reply.split('.').at(-1) ?? ''));
      ended.push(answer.catch((error: unknown) => error));
    }
    questions.rejectAll(new KvferryError('closed', 'the connection to NATS is closed'));
  }
  await Promise.all(ended);
  expect(tokens.filter((token) => !UUID.test(token))).toEqual([]);
  expect(new Set(tokens).size).toBe(200);
});
