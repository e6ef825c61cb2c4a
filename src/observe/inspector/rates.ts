/** The rates of an agent, from two readings of its counters. */
import type { StatusReply } from '../../protocol/operations.js';
import type { AgentView } from './feed.js';

type Counters = StatusReply['counters'];

const MS_PER_S = 1000;
const ENDED = /^requests_(sent|received)_/;

/** All rates are 0 without an earlier reading. */
export function ratesBetween(before: Counters | undefined, now: Counters, elapsedMs: number): AgentView['rates'] {
  const rate = (count: (counters: Counters) => number) =>
    before === undefined || elapsedMs <= 0 ? 0 : ((count(now) - count(before)) * MS_PER_S) / elapsedMs;
  return {
    bytesPerS: rate((counters) => counters['bytes_written'] ?? 0),
    chunksPerS: rate((counters) => counters['chunks_written'] ?? 0),
    requestsPerS: rate((counters) =>
      Object.entries(counters).reduce((sum, [name, count]) => (ENDED.test(name) ? sum + count : sum), 0),
    ),
  };
}
