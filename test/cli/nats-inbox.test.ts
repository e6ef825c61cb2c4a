/** Where answers to a tool come: the permissions of its user at NATS must allow it. */
import { expect, test } from 'vitest';
import { natsEnvironment, natsPlace } from '../../src/cli/nats-option.js';

test('the inbox of a tool → the flag, then the environment, then none', () => {
  const env = { KVFERRY_NATS_INBOX: 'observer' };
  expect(natsPlace({ natsInbox: 'operator' }, env).inbox).toBe('operator');
  expect(natsPlace({}, env).inbox).toBe('observer');
  expect(natsPlace({}, { KVFERRY_NATS_INBOX: '' }).inbox).toBeUndefined();
});

test('the inbox goes to the processes that a tool starts', () => {
  const place = natsPlace({ natsInbox: 'operator' }, {});
  expect(natsEnvironment(place)['KVFERRY_NATS_INBOX']).toBe('operator');
});
