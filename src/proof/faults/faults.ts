/**
 * Injects requested faults into the process and the ports of one agent. The agent itself takes no part. A lasting fault
 * ends after its time or when it is healed. A new fault replaces a lasting one of the same kind.
 */
import type { Logger } from 'pino';
import type { ClockPort } from '../../ports/clock.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Fault, FaultRequest } from '../../protocol/faults.js';
import type { Role } from '../../protocol/fields.js';
import { FAULT_MS_MAX } from '../../protocol/limits.js';
import type { Failpoints } from '../failpoints/failpoints.js';
import type { SeverableControl } from './severable-control.js';

/**
 * Peers declare an agent dead after 2.75 heartbeats without one. A fault lasts longer than that by default, so that the
 * consequences show.
 */
const LOST_HEARTBEATS = 3;
const AFTERMATH_MS = 2000;
/** Delay of each write during `slow-write`. */
const SLOW_WRITE_MS = 500;

/** The process in which the faults happen. */
export interface FaultHost {
  readonly clock: ClockPort;
  readonly logger: Logger;
  /** Ends the process as SIGKILL does. */
  kill(): void;
  /** Stops the process as SIGSTOP does, and continues it after that time. */
  stopFor(timeMs: number): void;
}

export interface FaultsOptions {
  readonly agent: string;
  readonly role: Role;
  readonly heartbeatMs: number;
  /** The agent's connection to NATS. */
  readonly line: Pick<SeverableControl, 'cut'>;
  /** The failpoints around the agent's fabric. */
  readonly failpoints: Pick<Failpoints, 'hold'>;
  readonly host: FaultHost;
}

/** A fault that has begun, or that begins after the answer because the process could not answer any more. */
export interface StruckFault {
  /** Duration of a lasting fault. */
  readonly forMs?: number;
  readonly afterAnswer?: () => void;
}

type Lasting = Extract<Fault, 'partition' | 'slow-write' | 'zombie-writer'>;

export class Faults {
  readonly #options: FaultsOptions;
  /** How to end each lasting fault. */
  readonly #lasting = new Map<Lasting, () => void>();

  constructor(options: FaultsOptions) {
    this.#options = options;
  }

  /** Throws `role_mismatch`, without any effect, for a fault of writes at an agent that writes nothing. */
  strike({ fault, forMs = this.#defaultMs }: Pick<FaultRequest, 'fault' | 'forMs'>): StruckFault {
    const { agent, role, host, line } = this.#options;
    if (role === 'decode' && (fault === 'slow-write' || fault === 'zombie-writer')) {
      throw new KvferryError('role_mismatch', `agent ${agent} has role ${role} and writes nothing`, { field: 'fault' });
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

  /** Ends every lasting fault. */
  heal(): void {
    for (const end of [...this.#lasting.values()]) end();
  }

  get #defaultMs(): number {
    return Math.min(LOST_HEARTBEATS * this.#options.heartbeatMs + AFTERMATH_MS, FAULT_MS_MAX);
  }

  /** Registers a lasting fault. `end` undoes it, after `forMs` or when it is healed. */
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
      logger.warn({ fault }, 'fault ended');
    }, forMs);
    this.#lasting.set(fault, finish);
  }

  #slowWrites(forMs: number): void {
    const { failpoints, host } = this.#options;
    const wait = () => new Promise<void>((resolve) => host.clock.setTimeout(resolve, SLOW_WRITE_MS));
    this.#begin('slow-write', forMs, failpoints.hold('write.starting', wait));
  }

  /** Turns the next write into that of a zombie, if a write starts within `FAULT_MS_MAX`. */
  #awaitZombie(heldMs: number): void {
    const stopWaiting = this.#options.failpoints.hold('write.starting', () => this.#holdWrite(heldMs));
    this.#begin('zombie-writer', FAULT_MS_MAX, stopWaiting);
  }

  /**
   * Holds a write that is about to be posted, and cuts the line. Meanwhile the receiver declares the agent dead and
   * revokes its remote key. Then the write is posted. The line is restored one heartbeat later, because an agent that
   * learns of its own death would stop the write.
   */
  #holdWrite(heldMs: number): Promise<void> {
    const { line, heartbeatMs, host } = this.#options;
    host.logger.warn({ heldMs }, 'write held and line cut');
    this.#begin('partition', heldMs + heartbeatMs, line.cut());
    return new Promise((resolve) => this.#begin('zombie-writer', heldMs, resolve));
  }
}
