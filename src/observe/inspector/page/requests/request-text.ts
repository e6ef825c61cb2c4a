/** Texts about one request. */
import type { RequestView } from '../../feed.js';
import { clockTime, duration, plural } from '../format.js';

/** `rank 0 of 2`. Undefined for a request without ranks. */
export function rankText({ rank, rankCount }: Pick<RequestView, 'rank' | 'rankCount'>): string | undefined {
  return rank === undefined || rankCount === undefined ? undefined : `rank ${rank} of ${rankCount}`;
}

/** `prefill-0 → decode-0`. */
export function wayText({ sender, receiver }: Pick<RequestView, 'sender' | 'receiver'>): string {
  return `${sender ?? '?'} → ${receiver ?? '?'}`;
}

/** The last part of the name of a state: `receiving` for `running.receiving`. */
export function shortState(state: string): string {
  return state.slice(state.lastIndexOf('.') + 1);
}

/** A row of the list as one sentence, for screen readers: a list has no column titles that they could read. */
export function describeRequest(view: RequestView): string {
  const { request, sender, receiver, startedMs, changedMs, endedMs, chunks, deduplicated, joined, handedOver } = view;
  const { end, reason, states } = view;
  const how = [
    end !== undefined && `${end} after ${duration((endedMs ?? changedMs) - startedMs)}`,
    reason?.code,
    end === undefined && states.sender !== undefined && `sender ${shortState(states.sender)}`,
    end === undefined && states.receiver !== undefined && `receiver ${shortState(states.receiver)}`,
  ];
  const parts = [
    request,
    rankText(view),
    `${sender ?? 'unknown'} to ${receiver ?? 'unknown'}`,
    ...how,
    plural(chunks, 'chunk'),
    deduplicated > 0 && `${deduplicated} already there`,
    joined > 0 && `${joined} joined`,
    handedOver > 0 && `${handedOver} handed over`,
    `began ${clockTime(startedMs)}`,
  ];
  return parts.filter((part) => typeof part === 'string').join(', ');
}
