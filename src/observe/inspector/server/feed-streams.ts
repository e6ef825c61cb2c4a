/** The feed to every open page, as server-sent events. A page that reads too slowly misses events and gets a notice. */
import type { ServerResponse } from 'node:http';
import type { Feed } from '../feed.js';
import type { Source } from '../source.js';

/** Most pages at once. */
const STREAMS_MAX = 64;
/** Most bytes buffered for one page. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;

interface Stream {
  readonly response: ServerResponse;
  dropped: number;
}

export class FeedStreams {
  readonly #source: Source;
  readonly #streams = new Set<Stream>();
  readonly #stop: () => void;

  constructor(source: Source) {
    this.#source = source;
    this.#stop = source.history.listen({
      cluster: (view) => this.#send('cluster', view),
      entries: (entries) => this.#send('entries', entries),
      requests: (requests) => this.#send('requests', requests),
    });
  }

  /** False at the limit of pages. */
  open(response: ServerResponse, headers: Readonly<Record<string, string>>): boolean {
    if (this.#streams.size >= STREAMS_MAX) return false;
    const stream = { response, dropped: 0 };
    const watch = this.#source.watch();
    this.#streams.add(stream);
    response.once('close', () => {
      this.#streams.delete(stream);
      watch.close();
    });
    response.writeHead(200, { ...headers, 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    const known = this.#source.history.cluster();
    // The first bytes tell the browser that it is connected.
    response.write(known === undefined ? ':\n\n' : eventText('cluster', known));
    return true;
  }

  close(): void {
    this.#stop();
    for (const { response } of this.#streams) response.destroy();
  }

  #send<E extends keyof Feed>(event: E, data: Feed[E]): void {
    if (this.#streams.size === 0) return;
    const text = eventText(event, data);
    for (const stream of this.#streams) {
      const { response, dropped } = stream;
      if (response.writableLength > WAITING_BYTES_MAX) {
        stream.dropped += 1;
        continue;
      }
      if (dropped > 0) response.write(eventText('dropped', { events: dropped }));
      stream.dropped = 0;
      response.write(text);
    }
  }
}

function eventText<E extends keyof Feed>(event: E, data: Feed[E]): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
