/** The steps of a write: its chunks land in any order, it is delivered or fails, and some chunks land late. */
import type { Placement } from '../../../machines/allocation.js';
import type { StoreDescription } from '../../../src/store/description.js';
import { nameOf } from '../../../src/store/holder.js';
import { requestOf } from './configuration.js';
import { broken } from './failures.js';
import type { Write } from './state.js';
import type { Steps } from './step.js';
import type { Turn } from './turn.js';

export function addWriteSteps(steps: Steps, index: number, write: Write): void {
  const { from, batch, part, grant, landed, reported, over } = write;
  const name = `${requestOf(from).request}/${batch} part ${part.part}`;
  const isValid = steps.state.store.description.grants.includes(grant);
  for (const [chunk, placement] of part.placements.entries()) {
    if (landed[chunk] || over || !isValid) continue;
    steps.add(`${reported ? 'late, ' : ''}chunk ${placement.position} of ${name} lands`, (turn) => {
      land(turn, write, placement);
      change(turn, index, { landed: landed.with(chunk, true) });
      forgetSettled(turn);
    });
  }
  if (reported) return;
  if (landed.every((there) => there)) {
    steps.add(`${name} is delivered`, (turn) => {
      change(turn, index, { reported: true });
      turn.toTransfer(from, batch, { type: 'write.delivered' });
      forgetSettled(turn);
    });
    return;
  }
  const end = (turn: Turn, drained: boolean) => {
    change(turn, index, { reported: true, over: over || drained });
    turn.setSender(from, { reconnects: true });
    turn.toTransfer(from, batch, { type: 'write.failed', failure: broken, drained });
    forgetSettled(turn);
  };
  if (over) {
    steps.add(`${name} is rejected`, (turn) => end(turn, true));
    return;
  }
  steps.strike('fabric', from, `${name} fails, and nothing more can land`, (turn) => end(turn, true));
  steps.strike('fabric', from, `${name} breaks off, and more may land`, (turn) => end(turn, false));
}

/** Bytes land in a page. They must own the page. Late bytes may differ, because the engine may have reused its memory. */
function land(turn: Turn, { from, batch, grant, reported }: Write, { page, position }: Placement): void {
  const key = turn.configuration.batches[from]?.[batch]?.[position] ?? '';
  const owner = ownerOf(turn.state.store.description, page);
  if (owner?.writer !== nameOf(requestOf(from)) || owner.grant !== grant) {
    turn.fault(`${key} of ${requestOf(from).request} lands in page ${page}, which is ${owner?.writer ?? 'nobody'}'s`);
  }
  const isQuarantined = turn.state.store.description.pages[page]?.state === 'quarantined';
  if (!isQuarantined) turn.state.arena = turn.state.arena.with(page, reported ? 'other bytes' : key);
}

/** The write that may land in a page now. */
function ownerOf(store: StoreDescription, page: number): { writer: string; grant: string } | undefined {
  const entry = store.entries.find(({ place, ready }) => place?.page === page && !ready);
  return entry?.place ?? store.quarantine.find((quarantined) => quarantined.page === page);
}

function change(turn: Turn, index: number, fields: Partial<Write>): void {
  turn.state.writes = turn.state.writes.map((write, at) => (at === index ? { ...write, ...fields } : write));
}

/** Forgets writes that can have no further effect. */
function forgetSettled(turn: Turn): void {
  turn.state.writes = turn.state.writes.filter(
    ({ reported, over, landed }) => !(reported && (over || landed.every((there) => there))),
  );
}
