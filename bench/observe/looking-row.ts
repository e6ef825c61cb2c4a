/** What looking costs: the three that were measured in turns, and what is lost of the first in the others, round by round. */

import { ratios, spreadOf } from '../../src/figures/statistics.js';
import type { Taken } from '../harness/load.js';
import type { Row } from '../suite-result.js';
import type { Seen } from './watcher-process.js';

const PERCENT = 100;

/** As many rounds of each. */
export interface Looks {
  /** Of agents that remember nothing. */
  readonly blind: readonly Taken[];
  /** Of agents that remember. */
  readonly unwatched: readonly Taken[];
  /** Of these, while somebody looks; what he has seen, in how many seconds. */
  readonly watched: readonly (Taken & { readonly seen: Seen; readonly seenS: number })[];
}

export function lookingRow(parameters: Row['parameters'], { blind, unwatched, watched }: Looks): Row {
  const lost = (taken: readonly Taken[]) =>
    spreadOf(ratios(batchesPerS(taken), batchesPerS(blind)).map((part) => (1 - part) * PERCENT));
  const more = (taken: readonly Taken[]) =>
    spreadOf(ratios(cpuUs(taken), cpuUs(blind)).map((part) => (part - 1) * PERCENT));
  return {
    table: 'looking',
    parameters,
    figures: {
      blindBatchesPerS: spreadOf(batchesPerS(blind)),
      unwatchedBatchesPerS: spreadOf(batchesPerS(unwatched)),
      watchedBatchesPerS: spreadOf(batchesPerS(watched)),
      unwatchedLostPercent: lost(unwatched),
      watchedLostPercent: lost(watched),
      blindCpuUs: spreadOf(cpuUs(blind)),
      unwatchedCpuUs: spreadOf(cpuUs(unwatched)),
      watchedCpuUs: spreadOf(cpuUs(watched)),
      unwatchedMoreCpuPercent: more(unwatched),
      watchedMoreCpuPercent: more(watched),
      seenEntriesPerS: spreadOf(watched.map(({ seen, seenS }) => seen.entries / seenS)),
      seenOneIn: Math.max(...watched.map(({ seen }) => seen.oneIn)),
    },
  };
}

function batchesPerS(taken: readonly Taken[]): number[] {
  return taken.map(({ timesMs, seconds }) => timesMs.length / seconds);
}

/** Of all agents, for one batch. */
function cpuUs(taken: readonly Taken[]): number[] {
  return taken.map(({ timesMs, cpuUs: used }) => used / timesMs.length);
}
