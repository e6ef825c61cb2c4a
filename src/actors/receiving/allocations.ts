/** Answers to `allocate` that the store still owes: its effects may come in a later turn. */
import type { Body } from '../../protocol/body.js';
import type { AllocateReply } from '../../protocol/peer-messages.js';
import { type HolderId, nameOf } from '../../store/holder.js';

interface Pending {
  resolve(reply: Body<AllocateReply>): void;
  reject(error: unknown): void;
}

export class Allocations {
  /** By the holder's name and the number of the batch. */
  readonly #pending = new Map<string, Map<number, Pending>>();

  /** Resolves when the batch has its pages, or waits for them. A repeated message replaces the one before it. */
  add(holder: HolderId, batch: number): Promise<Body<AllocateReply>> {
    const name = nameOf(holder);
    const batches = this.#pending.get(name) ?? new Map<number, Pending>();
    this.#pending.set(name, batches);
    return new Promise((resolve, reject) => batches.set(batch, { resolve, reject }));
  }

  /** Answers the message of this batch. False when none waits for an answer. */
  settle(holder: HolderId, batch: number, reply: Body<AllocateReply>): boolean {
    const pending = this.#take(holder, batch);
    pending?.resolve(reply);
    return pending !== undefined;
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
