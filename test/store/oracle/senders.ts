/** The senders around the store: which bytes they write, and which messages honest senders send. */
import { expect } from 'vitest';
import type { HolderId } from '../../../src/store/holder.js';
import type { CommandOf } from '../../../src/store/messages.js';
import { type Model, nameOf, type Right } from './model.js';

/** The fabric: bytes land in the allocated pages, unless the sender's remote key was revoked. */
export function write(model: Model, id: HolderId, batch: number): void {
  for (const right of model.rightsOf(id, batch)) land(model, right);
}

function land(model: Model, right: Right): void {
  if (right.delivered || model.stopped.has(right.holder) || !model.grants.has(right.grant)) return;
  right.taken = true;
  for (const [index, page] of right.pages.entries()) {
    const entry = [...model.entries.values()].find(({ place }) => place?.page === page);
    const owner = entry?.place ?? model.quarantine.get(page);
    expect(owner?.writer, `a late write of ${right.holder} lands in page ${page}`).toBe(right.holder);
    expect(owner?.generation).toBe(right.generations[index]);
    expect(entry?.ready ?? false).toBe(false);
    model.arena[page] = right.contents[index];
  }
}

/**
 * The commits that an honest sender would send now for a batch: for its allocation and for its hand-overs, once all
 * their bytes have been delivered.
 */
export function commitsOf(model: Model, id: HolderId, batch: number): CommandOf<'commit'>[] {
  const commits: CommandOf<'commit'>[] = [];
  for (const right of model.rightsOf(id, batch)) {
    if (model.stopped.has(right.holder) || right.doubtful) continue;
    if (!right.delivered) {
      if (!model.grants.has(right.grant)) continue;
      land(model, right);
      right.delivered = true;
    }
    const { part, pages, generations } = right;
    const lengths = right.contents.map((content) => Number(content.split(' ')[1]));
    commits.push({ type: 'commit', holder: id, batch, part, pages, generations, lengths });
  }
  return commits;
}

/**
 * The sender's refusal of the last hand-over to a batch. Only a sender that has written no part of it can prove that; with
 * `lost`, the proof is lost.
 */
export function declineOf(model: Model, id: HolderId, batch: number, lost: boolean): CommandOf<'decline'> | undefined {
  const right = model
    .rightsOf(id, batch)
    .findLast(({ part, delivered, doubtful }) => part > 0 && !delivered && !doubtful);
  if (right === undefined || model.stopped.has(right.holder)) return undefined;
  const taken = right.taken || lost ? 'unknown' : 'never';
  if (taken === 'never') right.declined = true;
  else right.doubtful = true;
  return { type: 'decline', holder: id, batch, part: right.part, taken };
}

/** The sender stops all writes of a request: from now on it may report that they have drained. */
export function stop(model: Model, id: HolderId): void {
  model.stopped.add(nameOf(id));
}
