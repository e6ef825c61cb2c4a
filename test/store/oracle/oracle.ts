/**
 * A slow and simple second store, which checks every answer of the real one. The two share types only, so that a fault of
 * one is not a fault of both. The oracle also knows what the store cannot know: which bytes are in each page, and which write
 * may still land there.
 */
import { expect } from 'vitest';
import { KvferryError } from '../../../src/protocol/errors.js';
import type { HolderId } from '../../../src/store/holder.js';
import type { EffectOf, StoreCommand, StoreEffect } from '../../../src/store/messages.js';
import type { StoreOptions } from '../../../src/store/options.js';
import { Store } from '../../../src/store/store.js';
import { follow, isPredicted } from './decisions.js';
import { type Batch, type Entry, isWriting, Model, nameOf } from './model.js';
import { apply } from './predictions.js';

export class Oracle {
  readonly #store: Store;
  /** What the store should contain. The senders of a test use it too. */
  readonly model: Model;

  constructor(options: StoreOptions) {
    this.model = new Model(options);
    this.#store = new Store(options);
  }

  wait(ms: number): void {
    this.model.nowMs += ms;
  }

  isComplete(id: HolderId): boolean {
    const holder = this.model.holders.get(nameOf(id));
    if (holder === undefined || holder.state !== 'arriving' || holder.doomed || this.model.queue.has(holder))
      return false;
    const batches = [...holder.batches.values()];
    const last = batches.find((batch) => batch.command.last);
    return (
      last !== undefined &&
      batches.length === last.command.batch + 1 &&
      batches.every((batch) => !isWriting(batch) && batch.joining.size === 0)
    );
  }

  isReady(id: HolderId): boolean {
    return this.model.holders.get(nameOf(id))?.state === 'ready';
  }

  hasAcquired(id: HolderId): boolean {
    return this.model.holders.get(nameOf(id))?.acquired === true;
  }

  /** The number of batches that have arrived, and the first that still has bytes to commit. */
  batchesOf(id: HolderId): { count: number; uncommitted: number | undefined } {
    const batches = [...(this.model.holders.get(nameOf(id))?.batches ?? [])];
    return { count: batches.length, uncommitted: batches.find(([, batch]) => isWriting(batch))?.[0] };
  }

  isArriving(id: HolderId): boolean {
    return this.model.holders.get(nameOf(id))?.state === 'arriving';
  }

  /** Every holder that was ever named. */
  everyHolder(): HolderId[] {
    return [...this.model.holders.values(), ...this.model.ends.values()].map((known) => known.id);
  }

  /** A command that no honest sender sends: the store must refuse it and must not change. */
  refuse(command: StoreCommand): void {
    const before = this.#counts();
    expect(() => this.#store.execute(command, this.model.nowMs), JSON.stringify(command)).toThrow(KvferryError);
    expect(this.#counts()).toEqual(before);
    this.#check();
  }

  /** Runs a command and compares its results with those of the model. Undefined when the store refused it. */
  run(command: StoreCommand): { reply: unknown; effects: readonly StoreEffect[] } | undefined {
    const before = this.#counts();
    const freeBefore = this.model.free();
    let result: { reply: unknown; effects: readonly StoreEffect[] };
    try {
      result = this.#execute(command);
    } catch (error) {
      if (!(error instanceof KvferryError) || error.code === 'internal') throw error;
      expect(this.#counts(), 'a refused command changes nothing').toEqual(before);
      expect(this.#store.brokenInvariant()).toBeUndefined();
      return undefined;
    }
    const predicted = apply(this.model, command, result.reply);
    const freed = this.model.free() - freeBefore;
    const others = result.effects.filter((effect) => isPredicted(effect) && effect.type !== 'pages.freed');
    expect(sorted(merged(others))).toEqual(sorted(predicted));
    expect(freedBy(result.effects)).toBe(Math.max(freed, 0));
    for (const [index, effect] of result.effects.entries()) follow(this.model, effect, result.effects.slice(index + 1));
    this.#check();
    return result;
  }

  /** The command, and then what it has left for later turns. */
  #execute(command: StoreCommand): { reply: unknown; effects: readonly StoreEffect[] } {
    const { reply, effects } = this.#store.execute(command, this.model.nowMs);
    const all = [...effects];
    while (this.#store.unsettled) {
      expect(this.#store.brokenInvariant()).toBeUndefined();
      all.push(...this.#store.execute({ type: 'settle' }, this.model.nowMs).effects);
    }
    return { reply, effects: all };
  }

  #check(): void {
    expect(this.#store.brokenInvariant()).toBeUndefined();
    const counts = this.#counts();
    const entries = [...this.model.entries.values()];
    const ready = entries.filter((entry) => entry.ready).length;
    const reserved = this.model.reserved();
    expect(counts).toEqual({
      total: this.model.options.pages,
      free: this.model.free(),
      writing: entries.filter((entry) => !entry.ready && entry.place !== undefined).length,
      ready,
      quarantined: this.model.quarantine.size,
      reserved,
      retained: this.model.retained.length,
      waiting: this.model.queue.size,
    });
    expect(reserved).toBeLessThanOrEqual(this.model.available());
    // Who cannot write waits for a remote key, and keeps nobody else waiting.
    const [head, ...others] = [...this.model.queue].filter(
      ({ id }) => this.model.youngestGrant(id.epoch) !== undefined,
    );
    if (head !== undefined) {
      expect(this.model.charge(head), 'the first in the queue waits although it fits').toBeGreaterThan(
        this.model.available() - reserved,
      );
    }
    if (this.model.available() > reserved) {
      const canWrite = (batch: Batch, entry: Entry) => {
        const grant = this.model.youngestGrant(batch.command.holder.epoch);
        const drained = this.model.holders.get(nameOf(batch.command.holder))?.drained === true;
        return batch.joining.has(entry) && !drained && grant !== undefined && batch.declined.get(entry) !== grant;
      };
      for (const entry of entries.filter(({ place }) => place === undefined)) {
        const heir = this.model.batches().find((batch) => canWrite(batch, entry));
        expect(heir?.command.holder, `${entry.key} has no writer, but a joiner could write it`).toBeUndefined();
      }
    }
    for (const other of others)
      expect(this.model.charge(other), 'a request that needs no page does not wait').toBeGreaterThan(0);
    for (const { id, end } of this.model.ends.values()) expect(this.#store.tombstone(id)?.end).toBe(end);
  }

  /** Every request has given its pages back: only cache may be left. */
  checkEmpty(): void {
    const retained = this.model.retained.length;
    const nothing = { writing: 0, quarantined: 0, reserved: 0, waiting: 0 };
    const total = this.model.options.pages;
    expect(this.#counts()).toEqual({ ...nothing, total, free: total - retained, ready: retained, retained });
  }

  #counts() {
    return { ...this.#store.pageCounts(), waiting: this.#store.waiting };
  }
}

function freedBy(effects: readonly StoreEffect[]): number {
  return effects.reduce((sum, effect) => (effect.type === 'pages.freed' ? sum + effect.count : sum), 0);
}

/** The chunks of one batch can become ready in several turns. */
function merged(effects: readonly StoreEffect[]): StoreEffect[] {
  const batches = new Map<string, EffectOf<'chunks.ready'>>();
  const others: StoreEffect[] = [];
  for (const effect of effects) {
    if (effect.type !== 'chunks.ready') {
      others.push(effect);
      continue;
    }
    const name = `${effect.batch} ${nameOf(effect.holder)}`;
    const { written = 0, joined = 0 } = batches.get(name) ?? {};
    batches.set(name, { ...effect, written: written + effect.written, joined: joined + effect.joined });
  }
  return [...others, ...batches.values()];
}

function sorted(effects: readonly StoreEffect[]): string[] {
  return effects.map((effect) => JSON.stringify(Object.entries(effect).sort())).sort();
}
