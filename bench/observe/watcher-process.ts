/**
 * Polls a cluster as the inspector does while a page is open. Its parent starts and stops the polling and receives the counts.
 * Each period has its own connection, so that no request is sent after it.
 */
import { connectNats } from '../../src/control/nats-control.js';
import { SystemClock } from '../../src/control/system-clock.js';
import { LiveSource } from '../../src/observe/inspector/live/live-source.js';

export interface WatcherQuestion {
  readonly look: boolean;
}

/** Counts since the polling began. */
export interface Seen {
  readonly entries: number;
  /** Sampling at the end: one request in this many. */
  readonly oneIn: number;
}

class Look {
  readonly #source: LiveSource;
  #entries = 0;

  private constructor(source: LiveSource) {
    this.#source = source;
    source.history.listen({
      entries: (entries) => {
        this.#entries += entries.length;
      },
    });
    source.watch();
  }

  static async begin(servers: string): Promise<Look> {
    const control = await connectNats({ servers, name: 'kvferry bench watcher' });
    const [clock, originMs] = [new SystemClock(), performance.timeOrigin];
    return new Look(new LiveSource({ control, clock, originMs, name: servers, allowFaults: false }));
  }

  async end(): Promise<Seen> {
    const oneIn = this.#source.history.cluster()?.source.oneIn ?? 1;
    await this.#source.close();
    return { entries: this.#entries, oneIn };
  }
}

const servers = process.env['BENCH_NATS_URL'] ?? '';
let current: Look | undefined;

process.on('message', async ({ look }: WatcherQuestion) => {
  const seen: Seen = (await current?.end()) ?? { entries: 0, oneIn: 1 };
  current = look ? await Look.begin(servers) : undefined;
  process.send?.({ ok: true, answer: seen });
});
process.once('SIGTERM', () => process.exit());
process.once('disconnect', () => process.exit());
