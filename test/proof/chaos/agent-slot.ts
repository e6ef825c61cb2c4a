/** One agent of the cluster by its name: a process after the other, which can be killed, stopped and continued. */
import { existsSync, readFileSync } from 'node:fs';
import { ChildProcess } from '../../../src/processes/child-process.js';
import { poll, within } from '../../../src/processes/within.js';
import { FAILPOINTS_VARIABLE } from '../../../src/proof/failpoints/failpoint-spec.js';
import { builtProgram } from './built-program.js';
import type { WallClock } from './wall-clock.js';

const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 15_000;

export interface AgentSlotOptions {
  readonly name: string;
  readonly role: 'prefill' | 'decode';
  readonly args: readonly string[];
  readonly natsUrl: string;
  readonly logPath: string;
  /** Its wall clock, which can be stepped. Undefined: that of the machine. */
  readonly wallClock: WallClock | undefined;
  /** Called when a process of this agent has exited, with the time. */
  readonly onDeath: (slot: AgentSlot, epoch: string | undefined, atMs: number) => void;
}

export class AgentSlot {
  readonly name: string;
  readonly role: 'prefill' | 'decode';
  /** Epoch of the running process. Undefined until its first heartbeat. */
  epoch: string | undefined;
  /** True if the load may use this agent. */
  inService = false;
  /** No fault hits it while a measurement uses it. */
  shields = 0;
  /** Time of the last start, signal or exit. */
  disturbedMs = 0;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  readonly #past = new Set<string>();
  readonly #options: AgentSlotOptions;

  constructor(options: AgentSlotOptions) {
    this.name = options.name;
    this.role = options.role;
    this.#options = options;
  }

  get isAlive(): boolean {
    return this.#child?.isRunning === true;
  }

  /** Resolves when the process has ended. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  /** Starts a process and waits for its first heartbeat. Resolves to false if the process exits before that. */
  async start(failpoints = ''): Promise<boolean> {
    if (this.isAlive) throw new Error(`${this.name} runs already`);
    this.touch();
    const { role, args, natsUrl, logPath, wallClock, onDeath } = this.#options;
    const child = new ChildProcess({
      name: `agent ${this.name}`,
      command: process.execPath,
      args: [builtProgram(), 'agent', '--agent-id', this.name, '--role', role, '--nats-url', natsUrl, ...args],
      env: { ...process.env, ...wallClock?.environment, [FAILPOINTS_VARIABLE]: failpoints },
      logPath,
      // With a channel, an agent does not outlive us.
      channel: true,
    });
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.process.once('exit', () => {
        const atMs = performance.now();
        const epoch = this.epoch;
        this.inService = false;
        this.epoch = undefined;
        if (epoch !== undefined) this.#past.add(epoch);
        this.touch();
        onDeath(this, epoch, atMs);
        resolve();
      });
    });
    const look = async () => (this.epoch !== undefined || !this.isAlive ? true : undefined);
    await poll(START_TIMEOUT_MS, look);
    return this.epoch !== undefined;
  }

  /** Call it for each heartbeat under this name. */
  heard(epoch: string): void {
    if (this.isAlive && !this.#past.has(epoch)) this.epoch = epoch;
  }

  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void {
    this.touch();
    if (this.isAlive) this.#child?.signal(name);
  }

  /** Is it stopped, by its own signal or by one from outside? */
  get isStopped(): boolean {
    const path = `/proc/${this.#child?.pid}/stat`;
    if (!this.isAlive || !existsSync(path)) return false;
    const status = readFileSync(path, 'utf8');
    // The format is `pid (name) state …`, and the name may contain spaces.
    return status.slice(status.lastIndexOf(')') + 2, status.lastIndexOf(')') + 3) === 'T';
  }

  /** Steps the wall clock of its process. The monotonic clock goes on. */
  stepClock(seconds: number): void {
    this.#options.wallClock?.step(seconds);
  }

  async end(): Promise<void> {
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    await within(STOP_TIMEOUT_MS, `${this.name} did not end`, this.#exited).catch(() => this.kill());
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.#exited;
  }

  touch(): void {
    this.disturbedMs = performance.now();
  }
}
