/** One request as a sequence diagram: the messages between its parties, and their actions, one line per step. */
import type { StoreEntry } from '../../../../protocol/observation.js';
import type { EntryView, RequestDetail } from '../../feed.js';
import { duration, plural } from '../format.js';
import { SEQUENCE_LANES_MAX, SEQUENCE_STEPS_MAX } from '../limits.js';
import { toneOfStoreAction } from '../store-tones.js';
import { type Tone, toneOfEnd, toneOfState } from '../tones.js';
import { livesOf } from './actor-lives.js';
import { type Exchange, exchangesOf, OUTSIDE } from './exchanges.js';
import { agentsOf } from './timeline.js';

/** Accuracy to which the clocks of two agents are aligned. */
const SAME_INSTANT_MS = 0.05;

interface StepBase {
  /** Time since the request began. */
  readonly afterMs: number;
  readonly text: string;
  readonly tone: Tone;
}

/** `message`: over NATS. `bytes`: from memory to memory. */
export interface ArrowStep extends StepBase {
  readonly kind: 'message' | 'bytes';
  readonly from: number;
  readonly to: number;
  readonly took?: string;
}

export interface NoteStep extends StepBase {
  readonly kind: 'note' | 'end';
  readonly lane: number;
  readonly detail?: string;
}

export type Step = ArrowStep | NoteStep;

export interface Sequence {
  readonly lanes: readonly string[];
  readonly steps: readonly Step[];
  /** Number of omitted steps. */
  readonly more: number;
}

export function layOutSequence(detail: RequestDetail): Sequence {
  const { request, entries } = detail;
  const exchanges = exchangesOf(entries);
  const hasOutside = exchanges.some(({ from }) => from === OUTSIDE);
  const lanes = [...(hasOutside ? [OUTSIDE] : []), ...agentsOf(request, entries)].slice(0, SEQUENCE_LANES_MAX);
  const beganMs = exchanges.reduce((first, { startMs }) => Math.min(first, startMs), request.startedMs);
  const laneOf = (agent: string) => lanes.indexOf(agent);
  /** With a single one its number says nothing. */
  const hasBatches = request.batches > 1;

  const timed: { readonly atMs: number; readonly step: Step }[] = [];
  const add = (atMs: number, step: Step) => timed.push({ atMs, step });
  for (const exchange of exchanges) {
    const arrow = arrowOf(exchange, laneOf, beganMs, hasBatches);
    if (arrow !== undefined) add(exchange.startMs, arrow);
  }
  for (const arrow of writes(detail, laneOf, beganMs, hasBatches)) add(beganMs + arrow.afterMs, arrow);
  for (const { agent, timeMs, entry } of entries) {
    const lane = laneOf(agent);
    if (lane < 0 || entry.kind !== 'store') continue;
    add(timeMs, { ...noteOf(entry), lane, afterMs: timeMs - beganMs });
  }
  for (const [atMs, step] of endsOf(entries, laneOf, beganMs)) add(atMs, step);
  const end = endOf(request, laneOf, beganMs);
  if (end !== undefined) add(beganMs + end.afterMs, end);
  const instantOf = (atMs: number) => Math.round((atMs - beganMs) / SAME_INSTANT_MS);
  timed.sort(
    (a, b) =>
      instantOf(a.atMs) - instantOf(b.atMs) ||
      rankOf(a.step, hasOutside) - rankOf(b.step, hasOutside) ||
      a.atMs - b.atMs,
  );
  const steps = timed.map(({ step }) => step);
  // Keeps the beginning and the end, which matter most.
  if (steps.length <= SEQUENCE_STEPS_MAX) return { lanes, steps, more: 0 };
  const half = SEQUENCE_STEPS_MAX / 2;
  return { lanes, steps: [...steps.slice(0, half), ...steps.slice(-half)], more: steps.length - SEQUENCE_STEPS_MAX };
}

type LaneOf = (agent: string) => number;

/** Of what has the same time: what comes from outside causes the rest; what the store did is then told in messages. */
function rankOf(step: Step, hasOutside: boolean): number {
  switch (step.kind) {
    case 'message':
      return hasOutside && step.from === 0 ? 0 : 2;
    case 'bytes':
      return 2;
    case 'note':
      return 1;
    case 'end':
      return 3;
  }
}

function endOf(request: RequestDetail['request'], laneOf: LaneOf, beganMs: number): NoteStep | undefined {
  const { end, endedMs, changedMs, reason, sender, receiver } = request;
  const lane = laneOf(receiver ?? sender ?? '');
  if (end === undefined || lane < 0) return undefined;
  const text = reason === undefined ? end : `${end}: ${reason.code}`;
  const detail = reason === undefined ? {} : { detail: reason.message };
  return { kind: 'end', lane, afterMs: (endedMs ?? changedMs) - beganMs, text, tone: toneOfEnd(end), ...detail };
}

function arrowOf(exchange: Exchange, laneOf: LaneOf, beganMs: number, hasBatches: boolean): ArrowStep | undefined {
  const { from, to, operation, batch, startMs, tookMs, code } = exchange;
  const [start, target] = [laneOf(from), laneOf(to)];
  if (start < 0 || target < 0 || start === target) return undefined;
  const text = batch === undefined || !hasBatches ? operation : `${operation} · batch ${batch}`;
  return {
    kind: 'message',
    from: start,
    to: target,
    afterMs: startMs - beganMs,
    text: code === undefined ? text : `${text}: ${code}`,
    tone: code === undefined ? 'quiet' : 'bad',
    ...(tookMs === undefined ? {} : { took: duration(tookMs) }),
  };
}

/**
 * Writing has no message, because bytes go from memory to memory. It is derived from the transfer's time in `writing`.
 */
function writes(
  { request, entries }: RequestDetail,
  laneOf: LaneOf,
  beganMs: number,
  hasBatches: boolean,
): ArrowStep[] {
  const to = laneOf(request.receiver ?? '');
  if (to < 0) return [];
  return livesOf(entries, request.changedMs)
    .filter(({ machine }) => machine === 'transfer')
    .flatMap(({ agent, batch, stretches }) =>
      stretches
        .filter(({ state }) => state === 'writing')
        .map(
          ({ fromMs, toMs, open }): ArrowStep => ({
            kind: 'bytes',
            from: laneOf(agent),
            to,
            afterMs: fromMs - beganMs,
            text: batch === undefined || !hasBatches ? 'bytes' : `bytes · batch ${batch}`,
            tone: 'work',
            took: open ? 'under way' : duration(toMs - fromMs),
          }),
        ),
    )
    .filter(({ from }) => from >= 0 && from !== to);
}

function noteOf(entry: StoreEntry): Omit<NoteStep, 'lane' | 'afterMs'> {
  const { action, chunks, detail } = entry;
  const text = chunks === 0 ? action : `${action} ${plural(chunks, 'chunk')}`;
  return { kind: 'note', text, tone: toneOfStoreAction(action), ...(detail === undefined ? {} : { detail }) };
}

/** The failure, at the party that noticed it first. */
function endsOf(entries: readonly EntryView[], laneOf: LaneOf, beganMs: number): [number, NoteStep][] {
  return entries.flatMap(({ agent, timeMs, entry }): [number, NoteStep][] => {
    const lane = laneOf(agent);
    if (lane < 0 || entry.kind !== 'state' || entry.reason === undefined || entry.done) return [];
    const tone = toneOfState(entry.machine, entry.to);
    const text = `${entry.machine} ${entry.to}: ${entry.reason.code}`;
    return [[timeMs, { kind: 'note', lane, afterMs: timeMs - beganMs, text, detail: entry.reason.message, tone }]];
  });
}
