/**
 * Publishes every step that the store takes with chunks, with every key, for a subscriber that keeps them, such as a
 * JetStream stream. Nothing waits for these events. One that cannot be published is lost and counted.
 */
import type { ClockPort } from '../../ports/clock.js';
import type { ControlPort } from '../../ports/control.js';
import { defined } from '../../protocol/defined.js';
import type { AuditEvent } from '../../protocol/events.js';
import { AUDIT_KEYS_MAX, PROTOCOL_VERSION } from '../../protocol/limits.js';
import { jsonBytes, MessageRoom } from '../../protocol/message-room.js';
import { keyWithSpace } from '../../protocol/tenants.js';
import type { Journal, StoreEvent } from './journal.js';

type Step = AuditEvent['steps'][number];

/** What an event takes as JSON apart from its steps. */
const FRAME_BYTES = 400;
/** What a step takes at most apart from its keys and pages: request ids and texts may need several bytes for a character. */
const STEP_BYTES_MAX = 4096;
const PAGE_BYTES = 17;
const TEXT_MAX = 512;

/** The agent that is audited. */
export interface AuditedAgent {
  readonly agent: string;
  readonly epoch: string;
  readonly clock: ClockPort;
  readonly journal: Journal;
  /** Knows how large a message may be. */
  readonly control: Pick<ControlPort, 'messageBytesMax'>;
}

export class AuditPublisher {
  readonly #audited: AuditedAgent;
  readonly #publish: (event: AuditEvent) => void;
  #steps: Step[] = [];
  #bytes = 0;
  #number = 0;

  constructor(audited: AuditedAgent, publish: (event: AuditEvent) => void) {
    this.#audited = audited;
    this.#publish = publish;
    audited.journal.onEvent((event) => {
      if (event.kind === 'store') this.#add(event);
    });
  }

  /** Publishes the steps since the last call, if there are any. */
  publish(): void {
    if (this.#steps.length === 0) return;
    const { agent, epoch, clock } = this.#audited;
    const nowMs = clock.now();
    const event: AuditEvent = { v: PROTOCOL_VERSION, agent, epoch, number: this.#number, nowMs, steps: this.#steps };
    this.#steps = [];
    this.#bytes = 0;
    this.#number += 1;
    this.#publish(event);
  }

  #add(event: StoreEvent): void {
    const { atMs, action, about, positions, pages, detail } = event;
    const { request, epoch, batch } = about;
    const named = positions === undefined ? event.keys : positions.map((position) => event.keys[position] as string);
    const keys = named.map(keyWithSpace);
    const common = defined({ atMs, action, request, epoch, batch, detail: detail?.slice(0, TEXT_MAX) });
    const length = Math.max(keys.length, pages?.length ?? 0);
    for (let start = 0; start === 0 || start < length; ) {
      const end = this.#endOf(keys, start, length);
      const part = keys.slice(start, end);
      const partPages = pages?.slice(start, end);
      const chunks = length > 0 ? Math.max(part.length, partPages?.length ?? 0) : (event.chunks ?? 0);
      this.#push({ ...common, chunks, keys: part, ...defined({ pages: partPages }) });
      start = Math.max(end, start + 1);
    }
  }

  /** Where the part ends that begins at `start`: a step with one key at least, that fits into an event. */
  #endOf(keys: readonly string[], start: number, length: number): number {
    const room = new MessageRoom(this.#bytesMax - STEP_BYTES_MAX);
    const last = Math.min(length, start + AUDIT_KEYS_MAX);
    let end = start;
    while (end < last && (room.take(jsonBytes(keys[end] ?? '') + PAGE_BYTES) || end === start)) end += 1;
    return end;
  }

  #push(step: Step): void {
    const bytes = jsonBytes(step) + 1;
    if (this.#bytes + bytes > this.#bytesMax) this.publish();
    this.#steps.push(step);
    this.#bytes += bytes;
  }

  get #bytesMax(): number {
    return this.#audited.control.messageBytesMax - FRAME_BYTES;
  }
}
