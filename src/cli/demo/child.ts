/** A process that the demo starts, watches and ends. What it prints goes to a log file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { KvferryError } from '../../protocol/errors.js';

/** How a process ends that was told to, and has nothing to complain about. */
export const ENDED_WELL = 'ended with exit status 0';
/** How one ends that was killed. */
export const KILLED = 'ended with SIGKILL';
/** Lines of its log that are shown when it failed. */
const LOG_TAIL_LINES = 20;
/** How long it may take to end after SIGTERM before it gets SIGKILL: to finish what it does, or when nobody cares. */
const STOP_TIMEOUT_MS = 10_000;
const ABANDON_TIMEOUT_MS = 1_000;

export interface ChildOptions {
  /** For messages: `agent kvf-prefill-1`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly logPath: string;
  /** Open a channel by which the child, if it is ours, sees that its parent is gone. */
  readonly channel?: boolean;
  readonly onLine?: (line: string) => void;
}

export class Child {
  readonly name: string;
  readonly #logPath: string;
  readonly #process: ChildProcess;
  readonly #exited: Promise<string>;
  #running = true;
  #stopping = false;

  constructor(options: ChildOptions) {
    this.name = options.name;
    this.#logPath = options.logPath;
    this.#process = spawn(options.command, options.args, {
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe', ...(options.channel ? (['ipc'] as const) : [])],
      // A group of its own: Ctrl-C in a terminal reaches only the demo, which then ends its children in order.
      detached: true,
    });
    const log = createWriteStream(options.logPath);
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream === null) continue;
      stream.pipe(log, { end: false });
      if (options.onLine !== undefined) createInterface({ input: stream }).on('line', options.onLine);
    }
    this.#exited = new Promise((resolve) => {
      const gone = (how: string) => {
        this.#running = false;
        log.end(() => resolve(how));
      };
      this.#process.once('error', (error) => gone(`could not be started: ${error.message}`));
      this.#process.once('close', (code, signal) => gone(`ended with ${signal ?? `exit status ${code}`}`));
    });
  }

  /** Resolves, with how it ended, when the process is gone. */
  get ended(): Promise<string> {
    return this.#exited;
  }

  /** Rejects when the process ends without having been told to; never resolves. */
  async failure(): Promise<never> {
    const how = await this.#exited;
    if (this.#stopping) return new Promise<never>(() => undefined);
    throw new KvferryError('internal', `${this.name} ${how}\n${this.logTail()}`);
  }

  /** SIGTERM, then SIGKILL. Resolves, when the process is gone, with how it ended. Idempotent. */
  stop(): Promise<string> {
    return this.#end(STOP_TIMEOUT_MS);
  }

  /** As `stop`, without patience. */
  async abandon(): Promise<void> {
    await this.#end(ABANDON_TIMEOUT_MS);
  }

  logTail(): string {
    const lines = readFileSync(this.#logPath, 'utf8').trimEnd().split('\n');
    return lines.slice(-LOG_TAIL_LINES).join('\n');
  }

  async #end(timeoutMs: number): Promise<string> {
    this.#stopping = true;
    if (this.#running) this.#process.kill('SIGTERM');
    const kill = setTimeout(() => this.#process.kill('SIGKILL'), timeoutMs);
    const how = await this.#exited;
    clearTimeout(kill);
    return how;
  }
}
