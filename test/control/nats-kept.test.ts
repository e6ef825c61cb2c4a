/** P28: what a connection reads of a message, and what it keeps until the message is answered. */
import { setImmediate } from 'node:timers/promises';
import { connect, headers } from '@nats-io/transport-node';
import { describe, expect, test } from 'vitest';
import { connectNats } from '../../src/control/nats-control.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { natsServerMissing, TestNatsServer } from '../support/nats-server.js';

const MIB = 1024 ** 2;
const TRACE = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

async function usedMiB(): Promise<number> {
  // The memory of buffers is given back beside the event loop, after a collection.
  for (let times = 0; times < 3; times += 1) {
    await setImmediate();
    collectGarbage();
  }
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / MIB;
}

/** A trace, and more of the same message. */
function traceAnd(bytes: number) {
  const all = headers();
  all.set('traceparent', TRACE);
  all.set('more', 'x'.repeat(bytes));
  return all;
}

describe.skipIf(natsServerMissing)(`with a real nats-server ${natsServerMissing ?? ''}`, () => {
  test('P28: a megabyte of headers → none is read', async () => {
    await using server = await TestNatsServer.start();
    const control = await connectNats({ servers: server.url, name: 'agent' });
    const seen: (string | undefined)[] = [];
    control.subscribe('t.traced', (message) => void seen.push(message.headers?.['traceparent']));
    await control.flush();
    const stranger = await connect({ servers: server.url });
    for (const bytes of [7_000, 9_000, 1_000_000]) stranger.publish('t.traced', '{}', { headers: traceAnd(bytes) });
    await stranger.flush();
    await control.flush();
    expect(seen).toEqual([TRACE, undefined, undefined]);
    await stranger.close();
    await control.close();
  });

  test('P28: the trace of a message is kept → its other headers are not', async () => {
    await using server = await TestNatsServer.start();
    const control = await connectNats({ servers: server.url, name: 'agent' });
    const kept: (string | undefined)[] = [];
    control.subscribe('t.traced', (message) => void kept.push(message.headers?.['traceparent']));
    await control.flush();
    const stranger = await connect({ servers: server.url });
    const before = await usedMiB();
    for (let count = 0; count < 4_000; count += 1) {
      stranger.publish('t.traced', '{}', { headers: traceAnd(7_000) });
      if (count % 100 === 99) await stranger.flush();
    }
    await control.flush();
    expect(kept.length).toBe(4_000);
    expect((await usedMiB()) - before).toBeLessThan(10);
    await stranger.close();
    await control.close();
  });

  test('P28: questions of a megabyte are not answered yet → their bodies are not kept', async () => {
    await using server = await TestNatsServer.start();
    const control = await connectNats({ servers: server.url, name: 'agent' });
    const answers: ((body: string) => void)[] = [];
    control.subscribe('t.question', ({ respond }) => void answers.push(respond));
    await control.flush();
    const stranger = await connect({ servers: server.url });
    const heard: string[] = [];
    const inbox = '_INBOX_client.stranger.1';
    stranger.subscribe(inbox, { callback: (_, message) => void heard.push(message.string()) });
    const body = ' '.repeat(1_000_000);
    for (let count = 0; count < 50; count += 1) {
      stranger.publish('t.question', body, { reply: inbox });
      await stranger.flush();
    }
    await control.flush();
    expect(answers.length).toBe(50);
    const waitingMiB = await usedMiB();
    for (const respond of answers.splice(0)) respond('late');
    await control.flush();
    await stranger.flush();
    expect(heard).toEqual(new Array(50).fill('late'));
    expect(waitingMiB - (await usedMiB())).toBeLessThan(10);
    await stranger.close();
    await control.close();
  });
});
