/** Predicts what a command must do: changes the model, and returns the effects that the store must report. */
import { expect } from 'vitest';
import type { HolderId } from '../../../src/store/holder.js';
import type { CommandOf, StoreCommand, StoreEffect } from '../../../src/store/messages.js';
import { type Batch, type Entry, type Holder, type Model, nameOf } from './model.js';

export function apply(model: Model, command: StoreCommand, reply: unknown): StoreEffect[] {
  switch (command.type) {
    case 'grant':
      model.grants.set(command.grant, command.epoch);
      return [];
    case 'fence':
      model.grants.delete(command.grant);
      for (const [page, place] of model.quarantine) if (place.grant === command.grant) model.quarantine.delete(page);
      return [];
    case 'drained': {
      const name = nameOf(command.holder);
      for (const [page, place] of model.quarantine) if (place.writer === name) model.quarantine.delete(page);
      const holder = model.holders.get(name);
      if (holder !== undefined) holder.drained = true;
      return [];
    }
    case 'allocate':
      return applyAllocate(model, command);
    case 'admit':
      return [];
    case 'commit':
      return applyCommit(model, command);
    case 'decline':
      applyDecline(model, command);
      return [];
    case 'settle':
      return [];
    case 'end':
      return applyEnd(model, command);
    case 'acquire':
      expect(reply).toEqual(applyAcquire(model, command));
      return [];
    case 'release': {
      const predicted: StoreEffect[] = [];
      expect(reply).toEqual(applyRelease(model, command, predicted));
      return predicted;
    }
    case 'expire': {
      const predicted: StoreEffect[] = [];
      for (const holder of model.expired()) {
        const name = nameOf(holder.id);
        for (const key of holder.leases) model.unlease(name, key);
        model.holders.delete(name);
        predicted.push({ type: 'leases.ended', holder: holder.id, cause: 'expired' });
      }
      return predicted;
    }
  }
}

function applyAllocate(model: Model, command: CommandOf<'allocate'>): [] {
  const name = nameOf(command.holder);
  expect(model.ends.has(name), 'an ended request is not admitted again').toBe(false);
  const holder = model.holders.get(name) ?? model.addHolder(command.holder, 'arriving', command.totalChunks);
  expect(holder.state).toBe('arriving');
  const known = holder.batches.get(command.batch);
  if (known !== undefined) {
    expect({ ...command, grant: '' }).toEqual({ ...known.command, grant: '' });
    return [];
  }
  if (holder.batches.size === 0) model.queue.add(holder);
  holder.batches.set(command.batch, {
    command,
    allocated: undefined,
    refused: false,
    writing: new Map(),
    joining: new Set(),
    declined: new Map(),
  });
  return [];
}

function applyCommit(model: Model, command: CommandOf<'commit'>): StoreEffect[] {
  const name = nameOf(command.holder);
  const batch = model.holders.get(name)?.batches.get(command.batch);
  if (batch === undefined) throw new Error(`the store accepted a commit for batch ${command.batch} of ${name}`);
  const predicted = new Map<
    Batch,
    { type: 'chunks.ready'; holder: HolderId; batch: number; written: number; joined: number }
  >();
  const tell = (to: Batch, kind: 'written' | 'joined') => {
    const { holder, batch: number } = to.command;
    const effect = predicted.get(to) ?? { type: 'chunks.ready', holder, batch: number, written: 0, joined: 0 };
    effect[kind] += 1;
    predicted.set(to, effect);
  };
  for (const entry of batch.writing.get(command.part) ?? []) {
    expect(model.bytesOf(entry)).toBe(`${entry.key} ${entry.length}`);
    entry.ready = true;
    tell(batch, command.part === 0 ? 'written' : 'joined');
    for (const other of model.batches()) if (other.joining.delete(entry)) tell(other, 'joined');
  }
  batch.writing.delete(command.part);
  return [...predicted.values()];
}

function applyDecline(model: Model, { holder: id, batch: number, part, taken }: CommandOf<'decline'>): void {
  const holder = model.holders.get(nameOf(id));
  const batch = holder?.batches.get(number);
  for (const entry of batch?.writing.get(part) ?? []) {
    const { place } = entry;
    const isSafe = taken === 'never' || holder?.drained === true || !model.grants.has(place?.grant ?? '');
    if (!isSafe && place !== undefined) model.quarantine.set(place.page, place);
    entry.place = undefined;
    batch?.joining.add(entry);
    batch?.declined.set(entry, model.rights.get(`${nameOf(id)} ${number} ${part}`)?.grant ?? '');
  }
  batch?.writing.delete(part);
}

function applyEnd(model: Model, { holder: id, end }: CommandOf<'end'>): StoreEffect[] {
  const name = nameOf(id);
  const holder = model.holders.get(name);
  if (holder !== undefined && holder.state !== 'arriving') return [];
  if (!model.ends.has(name)) model.ends.set(name, { id, end });
  if (holder === undefined) return [];
  model.queue.delete(holder);
  if (end === 'ready') {
    holder.state = 'ready';
    model.renew(holder);
    const put = [...holder.batches.values()].sort((a, b) => a.command.batch - b.command.batch);
    const keys = put.flatMap(({ command }) => command.keys);
    expect(new Set(keys)).toEqual(holder.leases);
    holder.leases.clear();
    for (const key of keys) holder.leases.add(key);
    holder.batches.clear();
    return [];
  }
  model.holders.delete(name);
  for (const key of [...holder.leases]) {
    const entry = model.entries.get(key) as Entry;
    const { place } = entry;
    if (entry.ready || place?.writer !== name) {
      model.unlease(name, key);
      continue;
    }
    if (!holder.drained && model.grants.has(place.grant)) model.quarantine.set(place.page, place);
    entry.holders.delete(name);
    entry.place = undefined;
    if (entry.holders.size === 0) model.entries.delete(key);
  }
  return [];
}

function applyAcquire(model: Model, { holder: id, keys }: CommandOf<'acquire'>): unknown {
  const name = nameOf(id);
  const holder = model.holders.get(name) ?? model.addHolder(id, 'reader', 0);
  expect(holder.state).not.toBe('arriving');
  const found: unknown[] = [];
  const missing: string[] = [];
  for (const key of keys ?? [...holder.leases]) {
    const entry = model.entries.get(key);
    const promised = entry?.holders.size === 0 && model.available() <= model.reserved();
    if (!entry?.ready || entry.place === undefined || promised) {
      missing.push(key);
      continue;
    }
    const { page, generation } = entry.place;
    expect(model.arena[page], 'what is found is what was written').toBe(`${key} ${entry.length}`);
    model.lease(holder, entry);
    found.push({ key, page, generation, length: entry.length });
  }
  model.renew(holder);
  holder.acquired = true;
  if (holder.leases.size === 0 && holder.state === 'reader') model.holders.delete(name);
  return { found, missing };
}

function applyRelease(model: Model, { holder: id, keys }: CommandOf<'release'>, predicted: StoreEffect[]): unknown {
  const name = nameOf(id);
  const holder = model.holders.get(name);
  const available = model.available();
  let existed = 0;
  for (const key of keys ?? [...(holder?.leases ?? [])]) {
    if (!model.entries.has(key)) continue;
    existed += 1;
    if (holder?.leases.has(key)) model.unlease(name, key);
  }
  if (holder !== undefined) predicted.push(...dropIfEmpty(model, name, holder));
  return { existed, freedPages: model.available() - available };
}

function dropIfEmpty(model: Model, name: string, holder: Holder): StoreEffect[] {
  if (holder.leases.size > 0) return [];
  model.holders.delete(name);
  return [{ type: 'leases.ended', holder: holder.id, cause: 'released' }];
}
