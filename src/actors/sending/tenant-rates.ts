/** How many bytes a second each tenant puts, and whether it may put more (P32). */
import { KvferryError } from '../../protocol/errors.js';

const MS_PER_SECOND = 1000;
/** A tenant may use so much time of its rate in advance. */
const BURST_MS = 1000;

/** The virtual scheduling of the generic cell rate algorithm: for each tenant one moment, until which its rate is used. */
export class TenantRates {
  readonly #bytesPerSecond: number;
  readonly #usedUntilMs = new Map<string, number>();

  /** `bytesPerSecond` 0: no limit. */
  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Throws `quota_exceeded` when the tenant has used its rate for more than a second in advance. */
  check(tenant: string, nowMs: number): void {
    const waitMs = Math.ceil((this.#usedUntilMs.get(tenant) ?? 0) - nowMs - BURST_MS);
    if (waitMs <= 0) return;
    const message = `tenant ${tenant} has put more bytes than tenantBytesPerSecond allows: put again after ${waitMs} ms`;
    throw new KvferryError('quota_exceeded', message, { field: 'request' });
  }

  /** `bytes` is called only when there is a limit. */
  add(tenant: string, bytes: () => number, nowMs: number): void {
    if (this.#bytesPerSecond === 0) return;
    const fromMs = Math.max(nowMs, this.#usedUntilMs.get(tenant) ?? 0);
    // A tenant whose rate is not used is like one that never put anything.
    for (const [name, untilMs] of this.#usedUntilMs) if (untilMs <= nowMs) this.#usedUntilMs.delete(name);
    this.#usedUntilMs.set(tenant, fromMs + (bytes() / this.#bytesPerSecond) * MS_PER_SECOND);
  }
}
