/** The cost of observation: the three measured cases, and the loss of the other two against the first, round by round. */
import { ratios, spreadOf } from '../../src/figures/statistics.js';
import type { Taken } from '../harness/load.js';
import type { Row } from '../suite-result.js';
import type { Seen } from './watcher-process.js';

const PERCENT = 100;

/** Measurements of the three cases, with equally many rounds. */
export interface Looks {
  /** Agents without a journal. */
  readonly blind: readonly Taken[];
  /** Agents with a journal. */
  readonly unwatched: readonly Taken[];
  /** Agents with a journal while a watcher polls them; the entries that it received, and in how many seconds. */
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

/** CPU time of all agents for one batch. */
function cpuUs(taken: readonly Taken[]): number[] {
  return taken.map(({ timesMs, cpuUs: used }) => used / timesMs.length);
}
