import { once } from 'node:events';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import type { RunningInspector } from '../../../src/observe/inspector/server/inspector-server.js';
import { cluster, entry, FixedSource, start } from './support.js';

/** The events of a feed, one after the other. */
class Feed {
  readonly response: IncomingMessage;
  readonly #events: AsyncIterator<readonly [string, unknown]>;

  private constructor(response: IncomingMessage) {
    this.response = response;
    this.#events = eventsOf(response);
  }

  static async open(inspector: RunningInspector): Promise<Feed> {
    const request = httpGet(new URL('/api/feed', inspector.url));
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.setEncoding('utf8');
    return new Feed(response);
  }

  async next(): Promise<readonly [string, unknown] | undefined> {
    const { value, done } = await this.#events.next();
    return done ? undefined : value;
  }
}

async function* eventsOf(response: IncomingMessage): AsyncGenerator<readonly [string, unknown]> {
  let text = '';
  for await (const part of response) {
    text += part;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
      text = text.slice(end + 2);
      if (event !== undefined && data !== undefined) yield [event, JSON.parse(data)];
    }
  }
}

test('every page first gets the cluster as it is, then everything that is new', async () => {
  const source = new FixedSource();
  source.history.addCluster(cluster(1000));
  const inspector = await start(source);
  const feeds = [await Feed.open(inspector), await Feed.open(inspector)];
  expect(feeds[0]?.response.headers).toMatchObject({
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
  });
  for (const feed of feeds) expect(await feed.next()).toEqual(['cluster', cluster(1000)]);
  source.history.addEntries([entry(1, 'r1', 'settled')]);
  source.history.addCluster(cluster(1500));
  for (const feed of feeds) {
    expect(await feed.next()).toEqual(['entries', [entry(1, 'r1', 'settled')]]);
    expect(await feed.next()).toMatchObject(['requests', [{ request: 'r1', states: { sender: 'settled' } }]]);
    expect(await feed.next()).toEqual(['cluster', cluster(1500)]);
  }
});

test('the cluster is watched as long as a page is open', async () => {
  const source = new FixedSource();
  let closed: () => void = () => undefined;
  const unwatched = new Promise<void>((resolve) => {
    closed = resolve;
  });
  source.watch = () => {
    source.watchers += 1;
    return { close: () => closed() };
  };
  const feed = await Feed.open(await start(source));
  expect(source.watchers).toBe(1);
  feed.response.destroy();
  await unwatched;
});

test('a page that does not read loses events, gets a notice, and delays no other', async () => {
  const source = new FixedSource();
  const inspector = await start(source);
  const { port } = new URL(inspector.url);
  const slow = connect(Number(port), '127.0.0.1');
  slow.write(`GET /api/feed HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  await once(slow, 'readable');
  slow.pause();
  const quick = await Feed.open(inspector);
  // 64 MB: more than the socket and the server hold for one page.
  const large = { ...cluster(1), source: { ...cluster(1).source, name: 'x'.repeat(1_000_000) } };
  for (let n = 0; n < 64; n += 1) {
    source.history.addCluster({ ...large, timeMs: n });
    expect(await quick.next()).toMatchObject(['cluster', { timeMs: n }]);
  }
  let text = '';
  slow.setEncoding('utf8');
  const told = new Promise<number>((resolve) => {
    slow.on('data', (part: string) => {
      text = (text + part).slice(-2_000_000);
      const dropped = /event: dropped\ndata: {"events":(\d+)}/.exec(text);
      if (dropped !== null) resolve(Number(dropped[1]));
      // There is room again: the notice comes with the next event.
      else source.history.addCluster(cluster(100));
    });
  });
  slow.resume();
  expect(await told).toBeGreaterThan(10);
  slow.destroy();
});

test('a feed ends when the inspector is closed', async () => {
  const inspector = await start(new FixedSource());
  const feed = await Feed.open(inspector);
  const ended = feed.next().catch(() => undefined);
  await inspector.close();
  expect(await ended).toBeUndefined();
});
