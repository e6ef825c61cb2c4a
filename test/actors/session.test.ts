/** One session by itself: the numbers of its orders. */
import { expect, test } from 'vitest';
import { Session } from '../../src/actors/sending/session.js';

test('P19: an order is refused before it begins → its number stays free', async () => {
  const session = new Session({ id: '00000000000000f1', holder: 'engine', silentMs: 5000 }, 0);
  const refuse = () => {
    throw new Error('the agent drains');
  };
  expect(() => session.order(0, 'put a', refuse)).toThrow('the agent drains');
  expect(session.next).toBe(0);
  expect(await session.order(0, 'put a', () => () => ({ taken: true }))).toEqual({ taken: true });
  expect(session.next).toBe(1);
});

test('P28: answers of more than a megabyte → the oldest of them is forgotten', async () => {
  const session = new Session({ id: '00000000000000f1', holder: 'engine', silentMs: 5000 }, 0);
  const lengths = [600_000, 600_000, 10, 10];
  const send = (number: number) =>
    session.order(number, `put ${number}`, () => () => ({ text: 'x'.repeat(lengths[number] as number) }));
  for (const number of lengths.keys()) await send(number);
  expect(() => send(0)).toThrow(expect.objectContaining({ code: 'order_forgotten' }));
  for (const number of [1, 2, 3]) expect((await send(number)).text).toHaveLength(lengths[number] as number);
});
