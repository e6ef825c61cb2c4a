/** Stand-in for `groups.ts` and `group-actor.ts`: the agent that leads the ranks. */

import { broken as failure } from '../failures.js';
import type { Action } from '../transitions.js';
import type { GroupSnapshot, Rank, Report } from './rank-state.js';
import { nameOfRank } from './rank-state.js';
import type { RankTurn } from './rank-turn.js';

const progress = { held: 'rank.came', running: 'rank.admitted', complete: 'rank.completed' } as const;

/** Takes the report of a rank. The answer may have the turn of the rank, or the end of the request. */
export function report(turn: RankTurn, it: Rank, state: Report): void {
  const { request, rank } = it;
  turn.startGroup(request);
  turn.note('reported', nameOfRank(it));
  if (state === 'held' || state === 'running' || state === 'complete') {
    turn.toGroup(request, { type: progress[state], rank });
  } else {
    turn.toGroup(request, { type: 'rank.failed', rank, end: state, failure });
  }
  const { value, context } = turn.group(request) as GroupSnapshot;
  const agent = turn.configuration.agentOfRank[rank] as number;
  if (typeof value === 'string') tellRank(turn, it, context.end ?? 'failed');
  else if (state === 'held' && context.turn === receiverOf(agent)) admit(turn, request, agent);
}

export function groupEffect(
  turn: RankTurn,
  request: string,
  { context }: GroupSnapshot,
  { type, params }: Action,
): void {
  const end = context.end ?? 'failed';
  const ranks = turn.ranksOf(request).filter((it) => turn.state.reported.includes(nameOfRank(it)));
  switch (type) {
    case 'giveTurn':
      admit(turn, request, agentOf((params as { receiver: string }).receiver));
      return;
    case 'prepare':
      turn.await(ranks);
      for (const it of ranks) {
        if (turn.isOwn(it)) turn.later(() => answered(turn, it, turn.prepare(it)));
        else turn.send({ kind: 'prepare', ...it });
      }
      return;
    case 'decide':
      // The sender of rank 0 agrees at once, unless it is dead.
      turn.toGroup(request, turn.state.dead.includes(0) ? { type: 'end.refused', failure } : { type: 'end.certain' });
      return;
    case 'tellRanks':
      turn.await(ranks);
      for (const it of ranks) tellRank(turn, it, end);
      return;
    case 'announce':
      turn.announce(request, end);
      return;
  }
}

/** A rank has answered, or cannot be asked any more. */
export function answered(turn: RankTurn, it: Rank, isOk: boolean): void {
  const { request, rank } = it;
  if (!turn.state.unanswered.includes(nameOfRank(it))) return;
  turn.forget('unanswered', nameOfRank(it));
  if (!isOk) turn.toGroup(request, { type: 'rank.failed', rank, end: 'failed', failure });
  const isWaiting = turn.ranksOf(request).some((other) => turn.state.unanswered.includes(nameOfRank(other)));
  if (isWaiting) return;
  const value = turn.group(request)?.value;
  if (value === 'telling') turn.toGroup(request, { type: 'ranks.told' });
  else if (isOk) turn.toGroup(request, { type: 'ranks.prepared' });
}

function tellRank(turn: RankTurn, it: Rank, end: 'ready' | 'failed' | 'cancelled' | 'expired'): void {
  if (!turn.isOwn(it)) {
    turn.send({ kind: 'verdict', ...it, end });
    return;
  }
  turn.later(() => {
    turn.inform(it, end);
    answered(turn, it, true);
  });
}

function admit(turn: RankTurn, request: string, agent: number): void {
  if (agent === turn.configuration.agentOfRank[0]) turn.later(() => turn.admit(request, agent));
  else turn.send({ kind: 'admit', request, to: agent });
}

export const receiverOf = (agent: number) => `d${agent}`;
const agentOf = (receiver: string) => Number(receiver.slice(1));
