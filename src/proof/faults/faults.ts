/**
 * Makes the faults happen that are asked for, to the process and the ports of one agent; the agent knows nothing of it. What
 * lasts ends by itself, or when it is healed; a newer fault of a kind takes the place of the one before.
 */
import type { Logger } from 'pino';
import type { ClockPort } from '../../ports/clock.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Fault, FaultRequest } from '../../protocol/faults.js';
import type { Role } from '../../protocol/fields.js';
import { FAULT_MS_MAX } from '../../protocol/limits.js';
import type { Failpoints } from '../failpoints/failpoints.js';
import type { SeverableControl } from './severable-control.js';

/** Others hold an agent for lost after nearly three heartbeats; this much more, and one sees what follows. */
const LOST_HEARTBEATS = 3;
const AFTERMATH_MS = 2000;
/** How much later each write is posted. */
const SLOW_WRITE_MS = 500;

/** The process to which it happens. */
export interface FaultHost {
  readonly clock: ClockPort;
  readonly logger: Logger;
  /** As SIGKILL does. */
  kill(): void;
  /** As SIGSTOP does, and after that time SIGCONT. */
  stopFor(timeMs: number): void;
}

export interface FaultsOptions {
  readonly agent: string;
  readonly role: Role;
  readonly heartbeatMs: number;
  /** The agent's line to NATS. */
  readonly line: Pick<SeverableControl, 'cut'>;
  /** Those around the agent's fabric. */
  readonly failpoints: Pick<Failpoints, 'hold'>;
  readonly host: FaultHost;
}

/** A fault that has happened, or will as soon as the order is answered: when the process could not answer after it. */
export interface StruckFault {
  /** How long it lasts, if it does. */
  readonly forMs?: number;
  readonly afterAnswer?: () => void;
}

type Lasting = Extract<Fault, 'partition' | 'slow-write' | 'zombie-writer'>;

export class Faults {
  readonly #options: FaultsOptions;
  /** What lasts at this moment, and how to end it. */
  readonly #lasting = new Map<Lasting, () => void>();

  constructor(options: FaultsOptions) {
    this.#options = options;
  }

  /** Throws `role_mismatch` for a fault of writes at an agent that writes nothing; then nothing has happened. */
  strike({ fault, forMs = this.#defaultMs }: Pick<FaultRequest, 'fault' | 'forMs'>): StruckFault {
    const { agent, role, host, line } = this.#options;
    if (role === 'decode' && (fault === 'slow-write' || fault === 'zombie-writer')) {
      throw new KvferryError('role_mismatch', `agent ${agent} is ${role}: it writes nothing`, { field: 'fault' });
    }
    switch (fault) {
      case 'kill':
        return { afterAnswer: () => host.kill() };
      case 'stop':
        return { forMs, afterAnswer: () => host.stopFor(forMs) };
      case 'partition':
        this.#begin('partition', forMs, line.cut());
        return { forMs };
      case 'slow-write':
        this.#slowWrites(forMs);
        return { forMs };
      case 'zombie-writer':
        this.#awaitZombie(forMs);
        return { forMs };
      case 'heal':
        this.heal();
        return {};
    }
  }

  /** Ends everything that lasts. */
  heal(): void {
    for (const end of [...this.#lasting.values()]) end();
  }

  get #defaultMs(): number {
    return Math.min(LOST_HEARTBEATS * this.#options.heartbeatMs + AFTERMATH_MS, FAULT_MS_MAX);
  }

  /** It has begun, and ends with `end`: after `forMs`, or when it is healed. */
  #begin(fault: Lasting, forMs: number, end: () => void): void {
    const { clock, logger } = this.#options.host;
    this.#lasting.get(fault)?.();
    const finish = () => {
      clock.clearTimeout(timer);
      this.#lasting.delete(fault);
      end();
    };
    const timer = clock.setTimeout(() => {
      finish();
      logger.warn({ fault }, 'fault is over');
    }, forMs);
    this.#lasting.set(fault, finish);
  }

  #slowWrites(forMs: number): void {
    const { failpoints, host } = this.#options;
    const wait = () => new Promise<void>((resolve) => host.clock.setTimeout(resolve, SLOW_WRITE_MS));
    this.#begin('slow-write', forMs, failpoints.hold('write.starting', wait));
  }

  /** The next write becomes that of a zombie, if there is one soon. */
  #awaitZombie(heldMs: number): void {
    const stopWaiting = this.#options.failpoints.hold('write.starting', () => this.#holdWrite(heldMs));
    this.#begin('zombie-writer', FAULT_MS_MAX, stopWaiting);
  }

  /**
   * A write is about to be posted. It is held while the line is cut, for so long that its receiver gives the agent up and
   * revokes its remote key; then it is posted all the same. Only a heartbeat later the agent can hear what has happened: it
   * would stop the write.
   */
  #holdWrite(heldMs: number): Promise<void> {
    const { line, heartbeatMs, host } = this.#options;
    host.logger.warn({ heldMs }, 'a write is held, and the line is cut');
    this.#begin('partition', heldMs + heartbeatMs, line.cut());
    return new Promise((resolve) => this.#begin('zombie-writer', heldMs, resolve));
  }
}
