/** Follows what the store has decided: checks that each decision is allowed, and takes it over into the model. */
import { expect } from 'vitest';
import type { EffectOf, StoreEffect } from '../../../src/store/messages.js';
import { type Batch, type Entry, type Holder, type Model, nameOf, type Place } from './model.js';

const untouched = { taken: false, delivered: false, declined: false, doubtful: false };

/** `later`: the effects of the same command that follow. */
export function follow(model: Model, effect: StoreEffect, later: readonly StoreEffect[]): void {
  if (isPredicted(effect)) return;
  const holder = model.holders.get(nameOf(effect.holder));
  const batch = holder?.batches.get(effect.batch);
  if (holder === undefined || batch === undefined) throw new Error(`${effect.type} for ${nameOf(effect.holder)}`);
  if (effect.type === 'queued') {
    const waitsForPages = model.queue.has(holder);
    const waitsForTurn = later.some((next) => answers(next, effect));
    if (!waitsForPages && !waitsForTurn) expect(model.youngestGrant(holder.id.epoch)).toBeUndefined();
    // A request that waits for a turn may be admitted already, or will be in that turn.
    const charges = waitsForPages ? [model.charge(holder), ...(waitsForTurn ? [0] : [])] : [0];
    expect(charges).toContain(effect.charge);
    return;
  }
  if (effect.type === 'handed.over') {
    followHandOver(model, holder, batch, effect);
    return;
  }
  model.queue.delete(holder);
  if (effect.type === 'refused') {
    const { keys, lengths } = batch.command;
    expect(keys.some((key, index) => (model.entries.get(key)?.length ?? lengths[index]) !== lengths[index])).toBe(true);
    batch.refused = true;
    holder.doomed = true;
    return;
  }
  if (effect.first) place(model, holder, batch, effect);
  else followAgain(model, batch, effect);
  giveRight(model, effect, batch);
}

/** A batch of an admitted request, for which the command had no time, has its answer in a later turn. */
function answers(effect: StoreEffect, { holder, batch }: EffectOf<'queued'>): boolean {
  const isAnswer = effect.type === 'allocated' || effect.type === 'refused';
  return isAnswer && effect.batch === batch && nameOf(effect.holder) === nameOf(holder);
}

/**
 * The same answer again. Pages that wait for their bytes may be bound to a newer remote key of the sender, if theirs was revoked:
 * nothing can land under the old one any more.
 */
function followAgain(model: Model, batch: Batch, effect: EffectOf<'allocated'>): void {
  const { allocated } = batch;
  const written = batch.writing.get(0);
  if (allocated === undefined || written === undefined || model.grants.has(allocated.grant)) {
    expect(effect).toEqual({ ...allocated, first: false });
    return;
  }
  const { grant } = effect;
  expect(model.grants.get(grant), 'pages are bound to a valid remote key of their sender').toBe(effect.holder.epoch);
  expect(effect).toEqual({ ...allocated, first: false, grant });
  batch.allocated = { ...allocated, grant };
  for (const entry of written) entry.place = { ...(entry.place as Place), grant };
  model.rights.delete(`${nameOf(effect.holder)} ${effect.batch} 0`);
}

function place(model: Model, holder: Holder, batch: Batch, effect: EffectOf<'allocated'>): void {
  expect(batch.allocated, 'a batch is placed once').toBeUndefined();
  batch.allocated = effect;
  const name = nameOf(holder.id);
  const { keys, lengths } = batch.command;
  const { grant } = effect;
  expect(grant, 'pages are bound to the newest remote key').toBe(model.youngestGrant(holder.id.epoch));
  const { pages, generations, alreadySent, joined } = effect.allocation;
  expect(pages.length + alreadySent.length).toBe(keys.length);
  expect(generations.length).toBe(pages.length);
  for (const key of keys) model.revive(key);
  const written = new Set<Entry>();
  for (const [position, key] of keys.entries()) {
    const length = lengths[position] as number;
    const known = model.entries.get(key);
    expect(alreadySent.includes(position)).toBe(known !== undefined);
    expect(joined.includes(position)).toBe(known?.ready === false);
    if (known !== undefined) {
      expect(known.length).toBe(length);
      if (known.ready) expect(model.bytesOf(known), 'ready means that the bytes are here').toBe(`${key} ${length}`);
      else batch.joining.add(known);
      model.lease(holder, known);
      continue;
    }
    const page = pages[written.size] as number;
    assertAvailable(model, page);
    const place = { page, generation: generations[written.size] as number, writer: name, grant };
    const entry = { key, length, place, ready: false, holders: new Set<string>() };
    model.entries.set(key, entry);
    model.lease(holder, entry);
    written.add(entry);
  }
  if (written.size > 0) batch.writing.set(0, written);
}

/** A joiner becomes the writer, on a page to which no other request may write. */
function followHandOver(model: Model, holder: Holder, batch: Batch, effect: EffectOf<'handed.over'>): void {
  const { part, grant, positions, pages, generations, bytes } = effect;
  const { keys, lengths } = batch.command;
  expect(model.youngestGrant(holder.id.epoch)).toBe(grant);
  const taken = new Set<Entry>();
  for (const [index, position] of positions.entries()) {
    const entry = model.entries.get(keys[position] as string) as Entry;
    expect(entry.place, 'only entries without a writer are handed over').toBeUndefined();
    expect(batch.joining.delete(entry), 'only a joiner takes over').toBe(true);
    const page = pages[index] as number;
    assertAvailable(model, page);
    entry.place = { page, generation: generations[index] as number, writer: nameOf(holder.id), grant };
    taken.add(entry);
  }
  expect(bytes).toBe(positions.reduce((sum, position) => sum + (lengths[position] as number), 0));
  batch.writing.set(part, taken);
  const contents = positions.map((position) => `${keys[position]} ${lengths[position]}`);
  const name = nameOf(holder.id);
  const right = { holder: name, batch: effect.batch, part, pages, generations, contents, grant };
  model.rights.set(`${name} ${effect.batch} ${part}`, { ...right, ...untouched });
}

/** The page is free, or it is the page of the entry that must make room; and no write can land there. */
function assertAvailable(model: Model, page: number): void {
  if (model.free() === 0) expect(model.evict(), 'the least recently used entry makes room').toBe(page);
  const owned = [...model.entries.values()].flatMap(({ place }) => (place === undefined ? [] : [place.page]));
  expect([...owned, ...model.quarantine.keys()], `page ${page} is allocated twice`).not.toContain(page);
  for (const right of model.rights.values()) {
    const over = right.delivered || right.declined || model.stopped.has(right.holder) || !model.grants.has(right.grant);
    expect(!over && right.pages.includes(page), `${right.holder} may write page ${page}`).toBe(false);
  }
}

/** The sender gets its answer. It writes under the remote key of the answer. */
function giveRight(model: Model, effect: EffectOf<'allocated'>, batch: Batch): void {
  const holder = nameOf(effect.holder);
  const name = `${holder} ${effect.batch} 0`;
  if (model.rights.has(name)) return;
  const contents = batch.command.keys
    .map((key, position) => `${key} ${batch.command.lengths[position]}`)
    .filter((_, position) => !effect.allocation.alreadySent.includes(position));
  const { grant, allocation } = effect;
  const { pages, generations } = allocation;
  model.rights.set(name, { holder, batch: effect.batch, part: 0, pages, generations, contents, grant, ...untouched });
}

/** Effects that the model predicts. The other effects report what the store has decided. */
export function isPredicted(effect: StoreEffect): effect is EffectOf<'chunks.ready' | 'leases.ended' | 'pages.freed'> {
  return !['allocated', 'queued', 'refused', 'handed.over'].includes(effect.type);
}
