/**
 * Records when agents read messages of each other and which agents were away, to tell which agents had reason to declare another
 * one dead. An agent has reason if it was there and read no sign of life of the other one for `SILENT_HEARTBEATS_MAX` heartbeats, since
 * they first had to do with each other. Time in which it was itself away does not count, if it notices that: NATS reports it, or
 * its own heartbeats do not come back for long.
 */
import { SILENT_HEARTBEATS_MAX } from '../../../../machines/peer.js';
import type { Envelope } from '../memory-control.js';
import { ATTEMPT_MS, HEARTBEAT_MS, SKEW_MAX } from './timing.js';

/** An agent whose clock is fast takes a shorter silence for a full one. */
const SILENT_MS = (SILENT_HEARTBEATS_MAX / (1 + SKEW_MAX)) * HEARTBEAT_MS;

/** An agent whose own heartbeats do not come back for this long notices that. */
const NOTICED_MS = (1.25 / (1 + SKEW_MAX)) * HEARTBEAT_MS;
/** NATS reports these at once. */
const REPORTED = new Set(['cutOff', 'natsRestart']);

/**
 * Messages that show that the sender's process lives, as answers do. The others do not name the process that sends them, so they
 * may come from its predecessor.
 */
const SIGNS_OF_LIFE =
  /^kvferry\.v1\.(heartbeat\.|peer\.[^.]+\.[^.]+\.(allocate|commit|abort|drained|inquire|confirm)$)/;

/** The caller of a message does not wait for an answer that takes longer than this. */
const ANSWER_MS = ATTEMPT_MS / (1 + SKEW_MAX);

interface Span {
  readonly fromMs: number;
  untilMs: number;
}

interface Absence extends Span {
  readonly isReported: boolean;
}

export class Silences {
  /** When one agent has read a sign of life of another one, in order. */
  readonly #readMs = new Map<string, number[]>();
  /** When one agent first sent a message to another one, or read one. */
  readonly #contactMs = new Map<string, number>();
  readonly #absences = new Map<string, Absence[]>();

  /** Call this for every message when `from` sends it, and for every request of `from` that does not reach `to`. */
  sent({ from, to }: Pick<Envelope, 'from' | 'to'>, nowMs: number): void {
    const link = `${to} ${from}`;
    if (!this.#contactMs.has(link)) this.#contactMs.set(link, nowMs);
  }

  /** Call this for every message when the process of its receiver reads it. */
  read(envelope: Envelope, nowMs: number): void {
    const { from, to, subject, kind, askedMs = nowMs } = envelope;
    const isLateAnswer = kind === 'reply' && nowMs - askedMs > ANSWER_MS;
    if (isLateAnswer || (kind === 'message' && !SIGNS_OF_LIFE.test(subject))) return;
    const link = `${from} ${to}`;
    if (!this.#contactMs.has(link)) this.#contactMs.set(link, nowMs);
    const times = this.#readMs.get(link);
    if (times === undefined) this.#readMs.set(link, [nowMs]);
    else times.push(nowMs);
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

  /** The times in which `to` read no sign of life of `from`, from their first contact on. */
  #gaps(from: string, to: string): Span[] {
    const link = `${from} ${to}`;
    const contactMs = this.#contactMs.get(link);
    if (contactMs === undefined) return [];
    const times = this.#readMs.get(link) ?? [];
    return [contactMs, ...times].map((fromMs, index) => ({
      fromMs,
      untilMs: times[index] ?? Number.POSITIVE_INFINITY,
    }));
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
