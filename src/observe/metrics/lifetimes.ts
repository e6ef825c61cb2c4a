/** How requests and batches end, and how long each phase took, from the journal's events of their machines. */
import { Counter, Histogram, type Registry } from 'prom-client';
import type { JournalEvent, MessageEvent, StateEvent } from '../../actors/observing/journal.js';
import { operations, peerOperations } from '../../protocol/subjects.js';
import { StateTimes, type StepTimes } from './state-times.js';

const MS_PER_SECOND = 1000;
/** From the time of a small batch on one host to the longest usual time of a request. */
const BUCKETS_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;

/** The transfer machine's states that take time, and the names of their phases. */
const phases = new Map([
  ['allocating', 'allocate'],
  ['writing', 'write'],
  ['committing', 'commit'],
  ['joining', 'join'],
  ['draining', 'drain'],
]);

const COMMITTED = 'committed';
const READY = 'ready';

/** Only these become labels. An unknown operation is refused, and must not create a series. */
const known = new Set<string>([...operations, ...peerOperations, 'discover']);
const UNKNOWN = 'unknown';
/** The label of an end without a reason. */
const NONE = 'none';

export class Lifetimes {
  readonly #times = new StateTimes();
  readonly #requestsEnded: Counter<'side' | 'end' | 'code'>;
  readonly #requestTime: Histogram<'side' | 'end'>;
  readonly #transfersEnded: Counter<'end' | 'code'>;
  readonly #phaseTime: Histogram<'phase'>;
  readonly #admissionWait: Histogram;
  readonly #messageTime: Histogram<'direction' | 'operation'>;
  readonly #callErrors: Counter<'operation' | 'code'>;

  constructor(registry: Registry) {
    const registers = [registry];
    const buckets = [...BUCKETS_SECONDS];
    this.#requestsEnded = new Counter({
      name: 'kvferry_requests_ended_total',
      help: 'Ended requests, by side, end and code of the reason (none: ready).',
      labelNames: ['side', 'end', 'code'],
      registers,
    });
    this.#requestTime = new Histogram({
      name: 'kvferry_request_duration_seconds',
      help: 'Time to the end of a request, by side and end. The sender counts from put, the receiver from the first allocate.',
      labelNames: ['side', 'end'],
      buckets,
      registers,
    });
    this.#transfersEnded = new Counter({
      name: 'kvferry_transfers_ended_total',
      help: 'Batches whose transfer ended at this sender, by end (committed, aborted) and code of the reason.',
      labelNames: ['end', 'code'],
      registers,
    });
    this.#phaseTime = new Histogram({
      name: 'kvferry_transfer_phase_duration_seconds',
      help: 'Time of a batch at this sender, by phase: allocate (including the connection and the wait for pages), write, commit, join (another request writes its chunks), drain.',
      labelNames: ['phase'],
      buckets,
      registers,
    });
    this.#admissionWait = new Histogram({
      name: 'kvferry_admission_wait_duration_seconds',
      help: 'Time from the first allocate of a request to its admission, or to its end if it was never admitted.',
      buckets,
      registers,
    });
    this.#messageTime = new Histogram({
      name: 'kvferry_message_duration_seconds',
      help: 'Time until the answer to a message, by operation and direction (in: this agent answered; out: this agent asked).',
      labelNames: ['direction', 'operation'],
      buckets,
      registers,
    });
    this.#callErrors = new Counter({
      name: 'kvferry_peer_call_errors_total',
      help: 'Messages to other agents that got no answer in time, or an error as the answer, by operation and code.',
      labelNames: ['operation', 'code'],
      registers,
    });
    // Prometheus computes no rate for the first event of a new series, so known series begin at 0.
    for (const side of ['sender', 'receiver']) {
      this.#requestsEnded.inc({ side, end: 'ready', code: NONE }, 0);
      this.#requestTime.zero({ side, end: 'ready' });
    }
    this.#transfersEnded.inc({ end: 'committed', code: NONE }, 0);
    for (const phase of phases.values()) this.#phaseTime.zero({ phase });
  }

  observe(event: JournalEvent): void {
    if (event.kind === 'state') this.#moved(event);
    else if (event.kind === 'message') this.#answered(event);
  }

  #moved(event: StateEvent): void {
    const { machine } = event.of;
    if (machine !== 'request' && machine !== 'transfer' && machine !== 'ingest') return;
    const times = this.#times.step(event);
    if (times === undefined) return;
    if (machine === 'transfer') this.#transferMoved(event, times);
    else this.#requestMoved(event, times, machine === 'request' ? 'sender' : 'receiver');
  }

  #transferMoved(event: StateEvent, { inStateMs }: StepTimes): void {
    const phase = phases.get(event.from ?? '');
    if (phase !== undefined) this.#phaseTime.observe({ phase }, inStateMs / MS_PER_SECOND);
    if (!event.done) return;
    const end = event.to === COMMITTED ? COMMITTED : 'aborted';
    this.#transfersEnded.inc({ end, code: event.reason?.code ?? NONE });
  }

  #requestMoved(event: StateEvent, { ageMs }: StepTimes, side: 'sender' | 'receiver'): void {
    const { from, to, done, reason } = event;
    // An actor that threw an error reports a reason and no end.
    const end = event.end ?? (reason === undefined ? undefined : 'failed');
    // The request was refused and left no end.
    if (done && end === undefined) return;
    if (side === 'receiver' && isUnadmitted(from) && !isUnadmitted(to))
      this.#admissionWait.observe(ageMs / MS_PER_SECOND);
    // A ready ingest goes on until its leases end. Its request has ended.
    const hasEnded = side === 'sender' ? done : to === READY || (done && from !== READY);
    if (!hasEnded || end === undefined) return;
    this.#requestsEnded.inc({ side, end, code: reason?.code ?? NONE });
    this.#requestTime.observe({ side, end }, ageMs / MS_PER_SECOND);
  }

  #answered({ direction, operation, tookMs, code }: MessageEvent): void {
    if (tookMs === undefined) return;
    const name = known.has(operation) ? operation : UNKNOWN;
    this.#messageTime.observe({ direction, operation: name }, tookMs / MS_PER_SECOND);
    if (direction === 'out' && code !== undefined) this.#callErrors.inc({ operation: name, code });
  }
}

/** The request waits for pages, or, as one rank of several, for its turn. */
function isUnadmitted(state: string | undefined): boolean {
  return state === 'running.waiting' || state === 'running.held';
}
