/** P31: where answers go. An agent that is asked learns one subject, and answers nowhere but in an inbox. */
import { connect } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { connectNats } from '../../src/control/nats-control.js';
import { natsServerMissing, TestNatsServer } from '../support/nats-server.js';

const TIMEOUT_MS = 5_000;

test.skipIf(natsServerMissing)(
  'P31: two questions → no answer can be sent without the token of its question',
  async () => {
    await using server = await TestNatsServer.start();
    const control = await connectNats({ servers: server.url, name: 'asker' });
    const stranger = await connect({ servers: server.url });
    const replies: string[] = [];
    stranger.subscribe('question', {
      callback: (_, message) => {
        replies.push(message.reply ?? '');
        message.respond('answer');
      },
    });
    await stranger.flush();
    for (const _ of ['first', 'second']) await control.request('question', '', { timeoutMs: TIMEOUT_MS });
    const tokens = replies.map((reply) => reply.slice(reply.lastIndexOf('.') + 1));
    expect(tokens).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), expect.stringMatching(/^[0-9a-f-]{36}$/)]);
    expect(new Set(tokens.map((token) => token.slice(0, 8))).size).toBe(2);
    await stranger.close();
    await control.close();
  },
);

test.skipIf(natsServerMissing)('P31: a question that names another subject than an inbox → no answer', async () => {
  await using server = await TestNatsServer.start();
  const control = await connectNats({ servers: server.url, name: 'agent' });
  control.subscribe('question', (message) => message.respond('answer'));
  await control.flush();
  const asker = await connect({ servers: server.url });
  const heard: string[] = [];
  for (const subject of ['heartbeat.agent', '_INBOX_client.asker.1']) {
    asker.subscribe(subject, { callback: (_, message) => void heard.push(message.subject) });
    asker.publish('question', '', { reply: subject });
  }
  await asker.flush();
  await control.flush();
  await asker.flush();
  expect(heard).toEqual(['_INBOX_client.asker.1']);
  await asker.close();
  await control.close();
});
