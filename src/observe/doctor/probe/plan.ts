/** Between which agents a probe moves bytes, and how many: so few that other requests do not notice. */
import type { DescribeReply } from '../../../protocol/operations.js';
import type { AgentFacts } from '../examination.js';

/** Pairs of one run in which the caller chose no agent; they are probed one after the other. */
export const PROBE_PAIRS_MAX = 16;
/** Bytes of one round. */
const PROBE_BYTES_MAX = 64 * 1024 ** 2;
/** Of the free pages of an arena one in so many is used in a round, so that all rounds together take no cached page away. */
const FREE_PAGES_PER_PAGE = 8;
const PROBE_PAGES_MAX = 1024;

export interface ProbePair {
  readonly sender: DescribeReply;
  readonly receiver: DescribeReply & { readonly arena: NonNullable<DescribeReply['arena']> };
  /** Pages of one round; 0 when fewer than eight are free. */
  readonly pages: number;
}

export interface ProbePlan {
  readonly pairs: readonly ProbePair[];
  /** Pairs beyond the limit; none when the caller chose an agent. */
  readonly left: number;
}

/** `from` and `to` choose one agent; default: all. */
export function planProbes(
  agents: readonly AgentFacts[],
  { from, to }: { readonly from?: string | undefined; readonly to?: string | undefined },
): ProbePlan {
  const running = agents.filter(({ after }) => after?.state === 'running');
  const pairs = running.flatMap(({ description: sender }) => {
    if (sender.role === 'decode' || (from !== undefined && sender.agent !== from)) return [];
    return running.flatMap(({ description, after }): ProbePair[] => {
      const { agent, arena } = description;
      if (arena === undefined || agent === sender.agent || (to !== undefined && agent !== to)) return [];
      const free = (after?.pages?.free ?? 0) - (after?.pages?.reserved ?? 0);
      const fitting = Math.max(1, Math.floor(PROBE_BYTES_MAX / arena.pageBytes));
      const pages = Math.max(0, Math.min(PROBE_PAGES_MAX, fitting, Math.floor(free / FREE_PAGES_PER_PAGE)));
      return [{ sender, receiver: { ...description, arena }, pages }];
    });
  });
  if ((from ?? to) !== undefined) return { pairs, left: 0 };
  return { pairs: pairs.slice(0, PROBE_PAIRS_MAX), left: Math.max(0, pairs.length - PROBE_PAIRS_MAX) };
}
