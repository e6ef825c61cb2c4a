/** A process that the benchmark starts, watches and ends. What it prints goes to a log file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Teardown } from '../../src/processes/teardown.js';
import { within } from '../../src/processes/within.js';
import { KvferryError } from '../../src/protocol/errors.js';

const LOG_TAIL_LINES = 20;
/** How long it may take to end after SIGTERM before it gets SIGKILL. */
const STOP_TIMEOUT_MS = 5_000;
/** At the end of the benchmark nobody waits for anything it still has to say. */
const ABANDON_TIMEOUT_MS = 1_000;

export interface ProgramOptions {
  /** For messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly logPath: string;
  /** Hears what it prints on its standard output. */
  readonly onLine?: (line: string) => void;
  /** It is one of our Node programs: open a channel for messages, by which it also sees that we are gone. */
  readonly channel?: boolean;
}

export class Program {
  readonly name: string;
  readonly process: ChildProcess;
  readonly exited: Promise<string>;
  readonly #logPath: string;
  #stopping = false;

  constructor(options: ProgramOptions) {
    this.name = options.name;
    this.#logPath = options.logPath;
    this.process = spawn(options.command, options.args, {
      env: options.env,
      stdio: ['pipe', 'pipe', 'pipe', ...(options.channel ? (['ipc'] as const) : [])],
      // A group of its own: Ctrl-C in a terminal reaches only the benchmark, which then ends its programs in order.
      detached: true,
      serialization: 'advanced',
    });
    const { stdin, stdout, stderr } = this.process;
    const log = createWriteStream(options.logPath, { flags: 'a' });
    for (const stream of [stdout, stderr]) stream?.pipe(log, { end: false });
    for (const stream of [stdout, stderr]) {
      if (stream !== null && options.onLine !== undefined)
        createInterface({ input: stream }).on('line', options.onLine);
    }
    // Whoever writes to a program that has died hears of it from `failure`.
    stdin?.on('error', () => undefined);
    this.exited = new Promise((resolve) => {
      const gone = (how: string) => log.end(() => resolve(how));
      this.process.once('error', (error) => gone(`could not be started: ${error.message}`));
      this.process.once('close', (code, signal) => gone(`ended with ${signal ?? `exit status ${code}`}`));
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** Rejects when the process ends without having been told to; never resolves. */
  async failure(): Promise<never> {
    const how = await this.exited;
    if (this.#stopping) return new Promise<never>(() => undefined);
    throw new KvferryError('internal', `${this.name} ${how}\n${this.logTail()}`);
  }

  logTail(): string {
    return readFileSync(this.#logPath, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
  }

  /** SIGKILL, as a fault: nobody shall wonder. */
  async kill(): Promise<void> {
    this.#stopping = true;
    this.process.kill('SIGKILL');
    await this.exited;
  }

  /** SIGTERM, then SIGKILL. Resolves when the process is gone. Idempotent. */
  async stop(timeoutMs = STOP_TIMEOUT_MS): Promise<void> {
    this.#stopping = true;
    this.process.kill('SIGTERM');
    // It may have been stopped.
    this.process.kill('SIGCONT');
    await within(timeoutMs, `${this.name} does not end`, this.exited).catch(() => this.kill());
  }
}

/** Starts it, and ends it with `teardown` at the latest. */
export function startProgram(options: ProgramOptions, teardown: Teardown): Program {
  const program = new Program(options);
  // Unheard, a failure would end the benchmark; whoever waits for something of this program hears it.
  program.failure().catch(() => undefined);
  teardown.defer(() => program.stop(ABANDON_TIMEOUT_MS));
  return program;
}
