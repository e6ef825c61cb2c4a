/** A child process that its parent starts, watches and ends. */
import { type ChildProcess as NodeProcess, spawn } from 'node:child_process';
import { createWriteStream, readFileSync, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { KvferryError } from '../protocol/errors.js';
import { patient } from './patience.js';
import type { Teardown } from './teardown.js';
import { within } from './within.js';

/** How a process ended that stopped when asked to, without an error. */
export const ENDED_WELL = 'ended with exit status 0';
/** How a process ended that was killed. */
export const KILLED = 'ended with SIGKILL';

/** Number of last output lines in an error message. */
const TAIL_LINES = 20;
/** Time between SIGTERM and SIGKILL: for an orderly end, and for an end whose order does not matter. */
const STOP_TIMEOUT_MS = 10_000;
const ABANDON_TIMEOUT_MS = 1_000;

export interface ChildProcessOptions {
  /** Name for error messages, such as `agent kvf-prefill-1`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Default: the environment of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** File to which the output is appended. Default: the output is kept in memory, in `lines`. */
  readonly logPath?: string;
  /** Called for each line of output. */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
  /** Open a pipe to its standard input. */
  readonly input?: boolean;
  /** Open a channel for messages. A Node program of ours also notices by it that its parent is gone. */
  readonly channel?: boolean;
}

/** How a process ended. Both are null when it could not be started. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Processes to kill when this process ends before it has stopped them. */
const running = new Set<NodeProcess>();

function killRunning(): void {
  for (const child of running) child.kill('SIGKILL');
}

function addRunning(child: NodeProcess): void {
  if (running.size === 0) process.on('exit', killRunning);
  running.add(child);
}

function removeRunning(child: NodeProcess): void {
  running.delete(child);
  if (running.size === 0) process.off('exit', killRunning);
}

export class ChildProcess {
  readonly name: string;
  readonly process: NodeProcess;
  /** Resolves when the process has ended. */
  readonly exited: Promise<ProcessExit>;
  /** Resolves with how the process ended, for people, when it has ended. */
  readonly ended: Promise<string>;
  /** The output so far, of both streams. Empty when it goes to a file. */
  readonly lines: string[] = [];
  readonly #options: ChildProcessOptions;
  readonly #listeners = new Set<(line: string) => void>();
  readonly #exit: Promise<ProcessExit & { readonly how: string }>;
  #isExpectedToEnd = false;

  constructor(options: ChildProcessOptions) {
    this.name = options.name;
    this.#options = options;
    this.process = spawn(options.command, options.args, {
      env: options.env ?? process.env,
      stdio: [options.input ? 'pipe' : 'ignore', 'pipe', 'pipe', ...(options.channel ? (['ipc'] as const) : [])],
      // Its own process group: Ctrl-C in a terminal reaches only the parent, which then ends its children in order.
      detached: true,
      serialization: 'advanced',
    });
    addRunning(this.process);
    const log = options.logPath === undefined ? undefined : createWriteStream(options.logPath, { flags: 'a' });
    this.#readOutput(log);
    // A write to a process that has ended fails. `failure` reports that end.
    this.process.stdin?.on('error', () => undefined);
    this.#exit = this.#watch(log);
    this.exited = this.#exit.then(({ code, signal }) => ({ code, signal }));
    this.ended = this.#exit.then(({ how }) => how);
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  get isRunning(): boolean {
    return running.has(this.process) && this.process.exitCode === null && this.process.signalCode === null;
  }

  /**
   * Rejects `internal`, with the last output, when the process ends without having been ended from here. Never
   * resolves.
   */
  async failure(): Promise<never> {
    const how = await this.ended;
    if (this.#isExpectedToEnd) return new Promise<never>(() => undefined);
    throw new KvferryError('internal', `${this.name} ${how}\n${this.outputTail()}`);
  }

  /**
   * Resolves with the first result of `find` for a line of output, in `lines` or still to come. Rejects when the
   * process ends before that, and with `deadline_exceeded` after `timeoutMs`.
   */
  async printed<T>(find: (line: string) => T | undefined, what: string, timeoutMs: number): Promise<T> {
    let listener: (line: string) => void = () => undefined;
    const found = new Promise<T>((resolve) => {
      listener = (line) => {
        const result = find(line);
        if (result !== undefined) resolve(result);
      };
    });
    this.#listeners.add(listener);
    for (const line of this.lines) listener(line);
    const ended = this.ended.then((how) => {
      throw new KvferryError('internal', `${this.name} ${how} before it printed ${what}\n${this.outputTail()}`);
    });
    try {
      const late = () => `${this.name} did not print ${what} within ${patient(timeoutMs)} ms\n${this.outputTail()}`;
      return await within(timeoutMs, late, Promise.race([found, ended]));
    } finally {
      this.#listeners.delete(listener);
    }
  }

  /** The last lines of output. */
  outputTail(): string {
    const { logPath } = this.#options;
    const lines = logPath === undefined ? this.lines : readFileSync(logPath, 'utf8').trimEnd().split('\n');
    return lines.slice(-TAIL_LINES).join('\n');
  }

  /** Sends a signal without waiting. A process that ends of it has failed. */
  signal(name: NodeJS.Signals): void {
    this.process.kill(name);
  }

  /** Sends SIGTERM, and SIGKILL after `timeoutMs`. Resolves with how the process ended. Idempotent. */
  async stop(timeoutMs = STOP_TIMEOUT_MS): Promise<string> {
    this.#isExpectedToEnd = true;
    if (this.isRunning) {
      this.process.kill('SIGTERM');
      // A process that is stopped by a signal takes SIGTERM only after this.
      this.process.kill('SIGCONT');
    }
    const timer = setTimeout(() => this.process.kill('SIGKILL'), patient(timeoutMs));
    const how = await this.ended;
    clearTimeout(timer);
    return how;
  }

  /** As `stop`, with little patience: for the end of the parent. */
  async abandon(): Promise<void> {
    await this.stop(ABANDON_TIMEOUT_MS);
  }

  /** Sends SIGKILL, and resolves when the process has ended. */
  async kill(): Promise<void> {
    this.#isExpectedToEnd = true;
    this.process.kill('SIGKILL');
    await this.exited;
  }

  /** Resolves when the process has ended and its output is written. */
  #watch(log: WriteStream | undefined): Promise<ProcessExit & { readonly how: string }> {
    return new Promise((resolve) => {
      const end = (exit: ProcessExit, how: string) => {
        removeRunning(this.process);
        if (log === undefined) resolve({ ...exit, how });
        else log.end(() => resolve({ ...exit, how }));
      };
      this.process.on('error', (error) => {
        // Also emitted when a signal or a message does not reach a process that was started. Then `close` follows.
        if (this.process.pid !== undefined) return;
        end({ code: null, signal: null }, `could not be started: ${error.message}`);
      });
      this.process.once('close', (code, signal) => {
        end({ code, signal }, `ended with ${signal ?? `exit status ${code}`}`);
      });
    });
  }

  #readOutput(log: WriteStream | undefined): void {
    for (const name of ['stdout', 'stderr'] as const) {
      const stream = this.process[name];
      if (stream === null) continue;
      if (log !== undefined) stream.pipe(log, { end: false });
      createInterface({ input: stream }).on('line', (line) => {
        if (log === undefined) this.lines.push(line);
        this.#options.onLine?.(line, name);
        for (const listener of this.#listeners) listener(line);
      });
    }
  }
}

/** Starts a process that `teardown` ends, unless it has ended before. */
export function startChild(options: ChildProcessOptions, teardown: Teardown): ChildProcess {
  const child = new ChildProcess(options);
  // Callers that wait for this process receive its failure. Without this line, Node would also report it as unhandled.
  child.failure().catch(() => undefined);
  teardown.defer(() => child.abandon());
  return child;
}
