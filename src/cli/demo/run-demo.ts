/** The demo from beginning to end: starts everything in order, and removes everything afterwards. */
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import cliProgress from 'cli-progress';
import { connectClient } from '../../client/connect-client.js';
import type { KvferryClient } from '../../client/kvferry-client.js';
import { redactCredentials } from '../../config/nats-fields.js';
import { formatBytes } from '../../figures/units.js';
import { startNatsServer } from '../../processes/nats-server.js';
import { Teardown } from '../../processes/teardown.js';
import { KvferryError } from '../../protocol/errors.js';
import { startInspectorThread } from '../inspect/inspector-thread.js';
import type { NatsPlace } from '../nats-option.js';
import { type Cluster, type ClusterOptions, findCluster, startCluster } from './cluster.js';
import { runGentleLoad } from './gentle-load.js';
import { ENGINE_SLOTS, type LoadResult, runLoad } from './load.js';
import { QUIET_STEPS, type QuietResult, quietChunks, quietRoomBytes, runQuiet } from './quiet.js';
import { type DemoReport, makeReport } from './report.js';
import { makeDirectory, requireRoom, roomBytes } from './shared-memory.js';
import { Violations } from './violations.js';
import { makeWorkload } from './workload.js';

const SHARED_MEMORY = '/dev/shm';
const RUN_ID_BYTES = 4;
/** Fewest chunks from which the quiet phase can measure a rate. */
const QUIET_CHUNKS_MIN = 16;

export interface DemoOptions {
  readonly requests: number;
  readonly prefillAgents: number;
  readonly pageBytes: number;
  readonly arenaPages: number;
  readonly share: number;
  readonly provider: string;
  /** Address on which the agents listen. */
  readonly bindAddress: string;
  readonly seed: number;
  /** Bytes to move in the quiet phase; 0: there is no quiet phase. */
  readonly quietBytes: number;
  readonly controlBatches: number;
  /** A NATS server that is running already. */
  readonly nats: NatsPlace | undefined;
  /** Use the agents at `nats` instead of starting agents. There is then no quiet phase. */
  readonly existingAgents: boolean;
  /** Agents accept requests for faults. The demo restarts its own agents after they are killed. */
  readonly allowFaults: boolean;
  /** Serve the inspector, and run a light load after the report. */
  readonly inspect: boolean;
}

/** Where the demo prints, and whether it may draw a progress bar there. */
export interface DemoOutput {
  say(line: string): void;
  readonly interactive: boolean;
  /** Receives the results. The demo may go on after that. */
  report(report: DemoReport): void;
}

/**
 * Runs the demo and resolves to its report, even if the report is not good. Rejects when the demo could not finish. With
 * `inspect` it continues after the report until the process receives SIGINT, SIGTERM or SIGHUP.
 */
export async function runDemo(options: DemoOptions, output: DemoOutput): Promise<DemoReport> {
  const teardown = new Teardown();
  const interruption = interruptions(teardown);
  const interrupted = interruption.then((signal) => {
    throw new KvferryError('cancelled_by_caller', `the demo was ended by ${signal}`);
  });
  try {
    const demo = new Demo(options, output, teardown);
    const report = await Promise.race([demo.run(), interrupted]);
    output.report(report);
    if (options.inspect) await Promise.race([demo.goOn(), interruption]);
    return report;
  } finally {
    await teardown.run((error) => output.say(`clean-up: ${error instanceof Error ? error.message : String(error)}`));
  }
}

/** Resolves with the signal when the process gets one that ends it. */
function interruptions(teardown: Teardown): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      const end = () => resolve(signal);
      process.on(signal, end);
      teardown.defer(() => void process.off(signal, end));
    }
  });
}

class Demo {
  readonly #options: DemoOptions;
  readonly #output: DemoOutput;
  readonly #teardown: Teardown;
  readonly #violations = new Violations();
  readonly #run = `demo-${randomBytes(RUN_ID_BYTES).toString('hex')}`;
  readonly #workDirectory: string;
  /** The connection to NATS, once there is one. */
  #line: { readonly client: KvferryClient; readonly nats: NatsPlace } | undefined;

  constructor(options: DemoOptions, output: DemoOutput, teardown: Teardown) {
    this.#options = options;
    this.#output = output;
    this.#teardown = teardown;
    this.#workDirectory = makeDirectory(tmpdir(), teardown);
  }

  async run(): Promise<DemoReport> {
    const { existingAgents, inspect, quietBytes, seed } = this.#options;
    const nats = this.#options.nats ?? (await this.#startNats());
    const client = await this.#connect(nats);
    if (inspect) await this.#inspect(nats);
    this.#line = { client, nats };
    const load = await this.#phase((teardown) =>
      existingAgents ? this.#loadOnExisting(client, teardown) : this.#loadOnOwn(client, nats, teardown),
    );
    const isQuiet = !existingAgents && quietBytes > 0;
    const quiet = isQuiet ? await this.#phase((teardown) => this.#quiet(client, nats, teardown)) : undefined;
    const mismatches = [...load.mismatches, ...(quiet?.mismatches ?? [])];
    for (const problem of [...load.problems, ...mismatches.map((mismatch) => `mismatch: ${mismatch}`)]) {
      this.#output.say(problem);
    }
    return makeReport(load, quiet, this.#violations.list(), { seed, faultsAllowed: this.#options.allowFaults });
  }

  /** Runs a light load until the demo is interrupted. Rejects when an agent exits unexpectedly. */
  async goOn(): Promise<void> {
    if (this.#line === undefined) throw new Error('the demo has not been run');
    const { client, nats } = this.#line;
    const { prefillAgents, arenaPages, allowFaults, existingAgents, seed, share } = this.#options;
    this.#output.say('The inspector and a light load keep running. Press Ctrl-C to stop.');
    const run = `${this.#run}-go-on`;
    const say = (line: string) => this.#output.say(line);
    await this.#phase(async (teardown) => {
      const load = (cluster: Cluster, directory: string) => {
        const { pageBytes: chunkBytes } = cluster.decode.arena;
        const options = { run, seed, share, chunkBytes, directory, say };
        return runGentleLoad(options, cluster, client, this.#violations, teardown);
      };
      const shape = { run, prefillAgents, arenaPages, nats, allowFaults };
      if (!existingAgents) return this.#withAgents(shape, client, teardown, load);
      const cluster = await findCluster(client, allowFaults);
      return load(cluster, makeDirectory(dirname(cluster.decode.arena.path), teardown));
    });
  }

  async #inspect(nats: NatsPlace): Promise<void> {
    const { allowFaults } = this.#options;
    const listen = { host: '127.0.0.1', port: 0 };
    const failed = (error: unknown) => this.#output.say(`the inspector failed: ${String(error)}`);
    const inspector = await startInspectorThread({ nats, listen, allowFaults }, failed);
    this.#teardown.defer(() => inspector.close());
    this.#output.say(`Inspector: ${inspector.url}`);
  }

  /** Gives back what a phase took, at its end or when the demo is interrupted. */
  async #phase<T>(work: (teardown: Teardown) => Promise<T>): Promise<T> {
    const teardown = new Teardown();
    const undo = () => teardown.run((error) => this.#output.say(`clean-up: ${String(error)}`));
    this.#teardown.defer(undo);
    const result = await work(teardown);
    await undo();
    return result;
  }

  async #startNats(): Promise<NatsPlace> {
    const server = await startNatsServer({ directory: this.#workDirectory }).catch((cause: unknown) => {
      const reason = cause instanceof Error ? cause.message.trim() : String(cause);
      throw new KvferryError('disconnected', `${reason}; install nats-server, or set --nats to a running server`, {
        cause,
      });
    });
    this.#teardown.defer(() => server.child.abandon());
    return { servers: server.url, access: {} };
  }

  async #connect(nats: NatsPlace): Promise<KvferryClient> {
    const client = await connectClient({ ...nats, name: `kvferry ${this.#run}` });
    this.#teardown.defer(() => client.close());
    this.#output.say(`NATS: ${redactCredentials(nats.servers)}`);
    return client;
  }

  #loadOnOwn(client: KvferryClient, nats: NatsPlace, teardown: Teardown): Promise<LoadResult> {
    const { prefillAgents, arenaPages, pageBytes } = this.#options;
    requireRoom(SHARED_MEMORY, (arenaPages + prefillAgents * ENGINE_SLOTS) * pageBytes);
    return this.#withAgents(
      { run: this.#run, prefillAgents, arenaPages, nats, allowFaults: this.#options.allowFaults },
      client,
      teardown,
      (cluster, directory) => this.#load(client, cluster, directory, teardown),
    );
  }

  async #loadOnExisting(client: KvferryClient, teardown: Teardown): Promise<LoadResult> {
    const cluster = await findCluster(client, this.#options.allowFaults);
    const shared = dirname(cluster.decode.arena.path);
    requireRoom(shared, cluster.prefill.length * ENGINE_SLOTS * cluster.decode.arena.pageBytes);
    return this.#load(client, cluster, makeDirectory(shared, teardown), teardown);
  }

  async #load(client: KvferryClient, cluster: Cluster, directory: string, teardown: Teardown): Promise<LoadResult> {
    const { requests, share, seed } = this.#options;
    const { pageBytes, pages } = cluster.decode.arena;
    const prompts = makeWorkload({ run: this.#run, seed, requests, engines: cluster.prefill.length, share });
    const chunks = prompts.reduce((sum, { keys }) => sum + keys.length, 0);
    this.#output.say(
      `Load: ${requests} requests, ${chunks} chunks of ${formatBytes(pageBytes)}, ${Math.round(share * 100)} % of each ` +
        `prompt shared; ${cluster.prefill.length} prefill agents → 1 decode agent with ${pages} pages; seed ${seed}`,
    );
    const progress = this.#progress('load', requests, 'requests');
    const options = { run: this.#run, prompts, chunkBytes: pageBytes, directory, onEnded: progress };
    return runLoad(options, cluster, client, this.#violations, teardown);
  }

  async #quiet(client: KvferryClient, nats: NatsPlace, teardown: Teardown): Promise<QuietResult> {
    const { quietBytes, controlBatches, pageBytes, seed } = this.#options;
    requireRoom(SHARED_MEMORY, quietRoomBytes(QUIET_CHUNKS_MIN, pageBytes));
    const chunks = quietChunks(quietBytes, pageBytes, roomBytes(SHARED_MEMORY));
    const scaled = chunks * pageBytes < quietBytes ? ` (as many as fit into ${SHARED_MEMORY})` : '';
    this.#output.say(
      `Quiet phase: ${chunks} distinct chunks of ${formatBytes(pageBytes)}${scaled}; 1 prefill → 1 decode`,
    );
    const run = `${this.#run}-quiet`;
    const shape = { run, prefillAgents: 1, arenaPages: chunks, nats, allowFaults: false };
    return this.#withAgents(shape, client, teardown, (cluster, directory) => {
      const onStep = this.#progress('quiet phase', QUIET_STEPS, 'steps');
      const options = { run, seed, chunks, controlBatches, chunkBytes: pageBytes, directory, onStep };
      return runQuiet(options, cluster, client, this.#violations, teardown);
    });
  }

  /** Starts agents, runs `work` with them, and stops them. Rejects when an agent exits before `work` is done. */
  async #withAgents<T>(
    shape: Pick<ClusterOptions, 'run' | 'prefillAgents' | 'arenaPages' | 'nats' | 'allowFaults'>,
    client: KvferryClient,
    teardown: Teardown,
    work: (cluster: Cluster, directory: string) => Promise<T>,
  ): Promise<T> {
    const { provider, bindAddress, pageBytes } = this.#options;
    const directory = makeDirectory(SHARED_MEMORY, teardown);
    const arenaDirectory = makeDirectory(directory, teardown);
    const workDirectory = this.#workDirectory;
    const say = (line: string) => this.#output.say(line);
    const options = { ...shape, provider, bindAddress, pageBytes, arenaDirectory, workDirectory, say };
    const cluster = await startCluster(options, client, teardown);
    const result = await Promise.race([work(cluster, directory), cluster.failure()]);
    for (const agent of await cluster.stop()) this.#violations.add(agent);
    for (const file of readdirSync(arenaDirectory))
      this.#violations.add(`an agent left the file ${file} in shared memory`);
    return result;
  }

  /** A progress bar at a terminal. The returned function makes it longer by one. */
  #progress(title: string, total: number, unit: string): () => void {
    if (!this.#output.interactive) return () => undefined;
    const bar = new cliProgress.SingleBar(
      { format: `${title} {bar} {value}/{total} ${unit}`, stream: process.stderr, clearOnComplete: true },
      cliProgress.Presets.shades_classic,
    );
    bar.start(total, 0);
    this.#teardown.defer(() => bar.stop());
    let done = 0;
    return () => {
      bar.increment();
      done += 1;
      if (done === total) bar.stop();
    };
  }
}
