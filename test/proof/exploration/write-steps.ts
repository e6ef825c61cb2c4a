/**
 * The steps of a write: it is delivered, it fails, or the fabric rejects it because its remote key was revoked.
 *
 * A byte that has not landed can do more harm than one that has, and any byte of a write may land until the write is
 * delivered or its remote key is revoked. So all bytes land with the delivery, and `faultOf` looks after each step at the pages
 * in which the others could land.
 */

import { requestOf } from './configuration.js';
import { broken } from './failures.js';
import type { Write } from './state.js';
import type { Steps } from './step.js';
import type { Turn } from './turn.js';

export function addWriteSteps(steps: Steps, index: number, write: Write): void {
  const { sender, batch, part, reported, over } = write;
  if (reported) return;
  const name = `${requestOf(sender).request}/${batch} part ${part.part}`;
  if (over) {
    steps.add(`${name} is rejected`, (turn) => end(turn, index, write, true));
    return;
  }
  steps.add(`${name} is delivered`, (turn) => {
    land(turn, write);
    turn.state.writes = turn.state.writes.toSpliced(index, 1);
    turn.toTransfer(sender, batch, { type: 'write.delivered' });
  });
  steps.strike('fabric', sender, `${name} fails, and nothing more can land`, (turn) => end(turn, index, write, true));
  steps.strike('fabric', sender, `${name} breaks off, and more may land`, (turn) => end(turn, index, write, false));
}

function end(turn: Turn, index: number, write: Write, drained: boolean): void {
  const { sender, batch } = write;
  const { writes } = turn.state;
  turn.state.writes = drained ? writes.toSpliced(index, 1) : writes.with(index, { ...write, reported: true });
  const isPresent = write.grant === turn.grant(sender) && !turn.sender(sender).gaveUp;
  if (isPresent) turn.setSender(sender, { reconnects: true });
  turn.toTransfer(sender, batch, { type: 'write.failed', failure: broken, drained });
}

/** The bytes of a write land in pages that belong to it, or that are in quarantine for it. */
function land(turn: Turn, { sender, batch, part }: Write): void {
  for (const { page, position } of part.placements) {
    const isQuarantined = turn.state.store.description.pages[page]?.state === 'quarantined';
    const key = turn.configuration.batches[sender]?.[batch]?.[position] ?? '';
    if (!isQuarantined) turn.state.arena = turn.state.arena.with(page, key);
  }
}
