/** A process that polls a cluster as an open inspector page does. */
import { fileURLToPath } from 'node:url';
import { type ChildProcess, startChild } from '../../src/processes/child-process.js';
import type { Teardown } from '../../src/processes/teardown.js';
import { ask } from '../harness/ask.js';
import type { Cluster } from '../harness/cluster.js';
import type { Seen, WatcherQuestion } from './watcher-process.js';

const PROGRAM = fileURLToPath(new URL('watcher-process.js', import.meta.url));
const TIMEOUT_MS = 10_000;

export class Watcher {
  readonly #program: ChildProcess;

  private constructor(program: ChildProcess) {
    this.#program = program;
  }

  /** Starts the process. It does not poll yet. */
  static async start({ natsUrl }: Cluster, logDirectory: string, teardown: Teardown): Promise<Watcher> {
    const program = startChild(
      {
        name: 'watcher',
        command: process.execPath,
        args: [PROGRAM],
        env: { ...process.env, BENCH_NATS_URL: natsUrl },
        logPath: `${logDirectory}/watcher.log`,
        channel: true,
      },
      teardown,
    );
    const watcher = new Watcher(program);
    await watcher.#tell({ look: false });
    return watcher;
  }

  async look(): Promise<void> {
    await this.#tell({ look: true });
  }

  /** Counts since the polling began. */
  lookAway(): Promise<Seen> {
    return this.#tell({ look: false });
  }

  #tell(question: WatcherQuestion): Promise<Seen> {
    return ask(this.#program, question, TIMEOUT_MS);
  }
}
