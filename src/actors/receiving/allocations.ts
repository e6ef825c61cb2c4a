/** Answers to `allocate` that the store still owes: a batch may wait for pages. */
import type { Body } from '../../protocol/body.js';
import { KvferryError } from '../../protocol/errors.js';
import type { AllocateReply } from '../../protocol/peer-messages.js';
import { type HolderId, nameOf } from '../../store/holder.js';

interface Pending {
  /** The remote key that the sender had when it asked. */
  readonly grant: string;
  resolve(reply: Body<AllocateReply>): void;
  reject(error: unknown): void;
}

export class Allocations {
  /** By the holder's name and the number of the batch. */
  readonly #pending = new Map<string, Map<number, Pending>>();

  /** Resolves when the batch has its pages. A repeated message replaces the one before it, which is never answered. */
  add(holder: HolderId, batch: number, grant: string): Promise<Body<AllocateReply>> {
    const name = nameOf(holder);
    const batches = this.#pending.get(name) ?? new Map<number, Pending>();
    this.#pending.set(name, batches);
    return new Promise((resolve, reject) => batches.set(batch, { grant, resolve, reject }));
  }

  /** The pages are bound to `grant`. A sender that asked under another remote key is refused, and asks again. */
  settle(holder: HolderId, batch: number, grant: string, reply: Body<AllocateReply>): void {
    const pending = this.#take(holder, batch);
    if (pending?.grant === grant) pending.resolve(reply);
    const message = `batch ${batch} of ${nameOf(holder)} has its pages under grant ${grant}: ask again under this grant`;
    pending?.reject(new KvferryError('stale_grant', message, { field: 'grant' }));
  }

  refuse(holder: HolderId, batch: number, error: unknown): void {
    this.#take(holder, batch)?.reject(error);
  }

  /** Refuses every batch of a request. */
  refuseAll(holder: HolderId, error: unknown): void {
    const batches = this.#pending.get(nameOf(holder));
    this.#pending.delete(nameOf(holder));
    for (const pending of batches?.values() ?? []) pending.reject(error);
  }

  /** Refuses every batch of every request. */
  close(error: unknown): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    for (const batches of all) for (const pending of batches.values()) pending.reject(error);
  }

  #take(holder: HolderId, batch: number): Pending | undefined {
    const name = nameOf(holder);
    const batches = this.#pending.get(name);
    const pending = batches?.get(batch);
    batches?.delete(batch);
    if (batches?.size === 0) this.#pending.delete(name);
    return pending;
  }
}
