/**
 * Asks agents what they do and what has happened, as often as the inspector does while a page is open: all of them how they
 * are and how their pages are, twice a second; for new entries of their journals, five times a second; of one request in so
 * many that no more than some thousand entries come in a second. Told to look and to look away; answers what it has seen.
 */
import { KvferryClient } from '../../src/client/kvferry-client.js';
import { connectNats } from '../../src/control/nats-control.js';
import { isKvferryError } from '../../src/protocol/errors.js';

export interface WatcherQuestion {
  readonly look: boolean;
}

/** Since it began to look. */
export interface Seen {
  readonly entries: number;
  /** Of so many requests it has seen one, at the end. */
  readonly oneIn: number;
}

const DISCOVER_INTERVAL_MS = 2000;
const LOOK_INTERVAL_MS = 500;
const READ_INTERVAL_MS = 200;
const ENTRIES_PER_S_MAX = 3000;
const ONE_IN_MAX = 65_536;
const MS_PER_S = 1000;

class Watcher {
  readonly #client: KvferryClient;
  readonly #timers: NodeJS.Timeout[] = [];
  /** Number of the next entry of each agent. */
  readonly #next = new Map<string, number>();
  /** Questions that are not answered yet: none is asked twice. */
  readonly #open = new Set<string>();
  #entries = 0;
  #entriesBefore = 0;
  #oneIn = 1;

  constructor(client: KvferryClient) {
    this.#client = client;
    this.#every(DISCOVER_INTERVAL_MS, () => this.#ask('discover', () => this.#discover()));
    this.#every(LOOK_INTERVAL_MS, () => this.#look());
    this.#every(READ_INTERVAL_MS, () => this.#read());
    this.#every(MS_PER_S, () => this.#sample());
    this.#ask('discover', () => this.#discover());
  }

  stop(): Seen {
    for (const timer of this.#timers) clearInterval(timer);
    return { entries: this.#entries, oneIn: this.#oneIn };
  }

  async #discover(): Promise<void> {
    for (const { agent } of await this.#client.discover()) {
      if (this.#next.has(agent)) continue;
      const { end } = await this.#client.journal(agent, { limit: 1 });
      this.#next.set(agent, end);
    }
  }

  #look(): void {
    for (const agent of this.#next.keys()) {
      this.#ask(`status ${agent}`, () => this.#client.status(agent, { limit: 0 }));
      this.#ask(`pages ${agent}`, () => this.#client.inspect(agent, { actors: 0, pages: true }));
    }
  }

  #read(): void {
    for (const [agent, from] of this.#next) {
      this.#ask(`journal ${agent}`, async () => {
        const { entries, next } = await this.#client.journal(agent, { from, oneIn: this.#oneIn });
        this.#entries += entries.length;
        this.#next.set(agent, next);
      });
    }
  }

  #sample(): void {
    const entriesPerS = this.#entries - this.#entriesBefore;
    this.#entriesBefore = this.#entries;
    if (entriesPerS > ENTRIES_PER_S_MAX && this.#oneIn < ONE_IN_MAX) this.#oneIn *= 2;
  }

  #every(intervalMs: number, work: () => void): void {
    this.#timers.push(setInterval(work, intervalMs));
  }

  #ask(question: string, work: () => Promise<unknown>): void {
    if (this.#open.has(question)) return;
    this.#open.add(question);
    const failed = (error: unknown) => {
      // An agent that is busy answers the next question.
      if (!isKvferryError(error)) throw error;
    };
    void work()
      .catch(failed)
      .finally(() => this.#open.delete(question));
  }
}

const control = await connectNats({ servers: process.env['BENCH_NATS_URL'] ?? '', name: 'kvferry bench watcher' });
const client = new KvferryClient(control);
let watcher: Watcher | undefined;

process.on('message', ({ look }: WatcherQuestion) => {
  const seen: Seen = watcher?.stop() ?? { entries: 0, oneIn: 1 };
  watcher = look ? new Watcher(client) : undefined;
  process.send?.({ ok: true, answer: seen });
});
process.once('SIGTERM', () => process.exit());
process.once('disconnect', () => process.exit());
