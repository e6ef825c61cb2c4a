/**
 * Records when heartbeats arrived and which agents were away, to tell which agents had reason to declare another one dead. An
 * agent has reason if it was there and the other one was silent to it for `SILENT_HEARTBEATS_MAX` heartbeats. Time in which
 * it was itself away does not count, if it notices that: NATS reports it, or its own heartbeats do not come back for long.
 */
import { SILENT_HEARTBEATS_MAX } from '../../../../machines/peer.js';
import { subjects } from '../../../protocol/subjects.js';
import type { Envelope, Fate } from '../memory-control.js';
import type { Strikes } from './strikes.js';
import { HEARTBEAT_MS, SKEW_MAX } from './timing.js';

/** An agent whose clock is fast takes a shorter silence for a full one. */
const SILENT_MS = (SILENT_HEARTBEATS_MAX / (1 + SKEW_MAX)) * HEARTBEAT_MS;

/** An agent whose own heartbeats do not come back for this long notices that. */
const NOTICED_MS = (1.25 / (1 + SKEW_MAX)) * HEARTBEAT_MS;
/** NATS reports these at once. */
const REPORTED = new Set(['cutOff', 'natsRestart']);

interface Passage {
  readonly sentMs: number;
  /** Infinite for a lost heartbeat. */
  readonly arrivesMs: number;
}

interface Span {
  readonly fromMs: number;
  untilMs: number;
}

interface Absence extends Span {
  readonly isReported: boolean;
}

/** Faults that keep heartbeats away. */
const BLOCKING = new Set([
  'partition',
  'severed',
  'routeReset',
  'serverFrozen',
  'natsRestart',
  'cutOff',
  'freeze',
  'paused',
]);

export class Silences {
  readonly #strikes: Strikes;
  readonly #passages = new Map<string, Passage[]>();
  readonly #absences = new Map<string, Absence[]>();

  constructor(strikes: Strikes) {
    this.#strikes = strikes;
  }

  /** Call this for every message that is sent. */
  note({ from, to, subject }: Envelope, nowMs: number, { copies, delayMs }: Fate): void {
    if (subject !== subjects.heartbeat(from)) return;
    const link = `${from} ${to}`;
    const passages = this.#passages.get(link) ?? [];
    passages.push({ sentMs: nowMs, arrivesMs: copies === 0 ? Number.POSITIVE_INFINITY : nowMs + delayMs });
    this.#passages.set(link, passages);
  }

  /** From now on, `agent` neither sends nor receives, because of a fault. Returns the function that ends this. */
  away(agent: string, fault: string, nowMs: number): (nowMs: number) => void {
    const span = { fromMs: nowMs, untilMs: Number.POSITIVE_INFINITY, isReported: REPORTED.has(fault) };
    const spans = this.#absences.get(agent) ?? [];
    spans.push(span);
    this.#absences.set(agent, spans);
    return (untilMs) => {
      span.untilMs = untilMs;
    };
  }

  /** True if `to` had reason to declare `from` dead, in a silence that reaches into this time. */
  silentTo(to: string, from: string, fromMs: number, untilMs: number): boolean {
    return this.#gaps(from, to).some((gap) => {
      if (gap.untilMs < fromMs || gap.fromMs > untilMs) return false;
      const until = Math.min(gap.untilMs, untilMs);
      return until - gap.fromMs - this.#awayMs(to, gap.fromMs, until) >= SILENT_MS;
    });
  }

  /** True if one of the two had reason to declare the other dead, in that time. */
  parted(one: string, other: string, fromMs: number, untilMs: number): boolean {
    return this.silentTo(one, other, fromMs, untilMs) || this.silentTo(other, one, fromMs, untilMs);
  }

  /** The times between two arrivals of heartbeats. */
  #gaps(from: string, to: string): Span[] {
    const passages = this.#passages.get(`${from} ${to}`) ?? [];
    const arrivals = passages
      .map(({ arrivesMs }) => arrivesMs)
      .filter(Number.isFinite)
      .sort((a, b) => a - b);
    const beginMs = this.#beginMs(from, to, passages[0]?.sentMs ?? Number.POSITIVE_INFINITY);
    if (beginMs === Number.POSITIVE_INFINITY) return [];
    return [beginMs, ...arrivals].map((fromMs, index) => ({
      fromMs,
      untilMs: arrivals[index] ?? Number.POSITIVE_INFINITY,
    }));
  }

  /**
   * From when on `to` waits for heartbeats of `from`. An agent subscribes to the heartbeats of those that it has to do with; a
   * fault may have kept the first ones away.
   */
  #beginMs(from: string, to: string, firstMs: number): number {
    const touched = this.#strikes.on({ request: '', agents: [from, to], fromMs: 0, untilMs: firstMs });
    const blockedMs = touched.filter(({ fault }) => BLOCKING.has(fault)).map(({ fromMs }) => fromMs);
    return Math.min(firstMs, ...blockedMs) - HEARTBEAT_MS / (1 - SKEW_MAX);
  }

  #awayMs(agent: string, fromMs: number, untilMs: number): number {
    let total = 0;
    let counted = fromMs;
    for (const span of this.#absences.get(agent) ?? []) {
      if (!span.isReported && Math.min(span.untilMs, untilMs) - span.fromMs < NOTICED_MS) continue;
      const from = Math.max(counted, span.fromMs);
      const until = Math.min(untilMs, span.untilMs);
      if (until <= from) continue;
      total += until - from;
      counted = until;
    }
    return total;
  }
}
