/**
 * Publishes every step that the store takes with chunks, with every key, for a subscriber that keeps them, such as a
 * JetStream stream. Nothing waits for these events. One that cannot be published is lost and counted.
 */
import type { ClockPort } from '../../ports/clock.js';
import { defined } from '../../protocol/defined.js';
import type { AuditEvent } from '../../protocol/events.js';
import { AUDIT_KEYS_MAX, MESSAGE_BYTES_MAX, PROTOCOL_VERSION } from '../../protocol/limits.js';
import type { Journal, StoreEvent } from './journal.js';

type Step = AuditEvent['steps'][number];

/** What one event may take as JSON. */
const EVENT_BYTES_MAX = 0.8 * MESSAGE_BYTES_MAX;
/** What one step takes as JSON, without its keys, pages and texts. */
const STEP_BYTES = 300;
const KEY_QUOTES_BYTES = 3;
const PAGE_BYTES = 8;
const TEXT_MAX = 512;

/** The agent that is audited. */
export interface AuditedAgent {
  readonly agent: string;
  readonly epoch: string;
  readonly clock: ClockPort;
  readonly journal: Journal;
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
    const keys = positions === undefined ? event.keys : positions.map((position) => event.keys[position] as string);
    const common = defined({ atMs, action, request, epoch, batch, detail: detail?.slice(0, TEXT_MAX) });
    const length = Math.max(keys.length, pages?.length ?? 0);
    for (let start = 0; start === 0 || start < length; start += AUDIT_KEYS_MAX) {
      const part = keys.slice(start, start + AUDIT_KEYS_MAX);
      const partPages = pages?.slice(start, start + AUDIT_KEYS_MAX);
      const chunks = length > 0 ? Math.max(part.length, partPages?.length ?? 0) : (event.chunks ?? 0);
      const step = { ...common, chunks, keys: part, ...defined({ pages: partPages }) };
      const bytes = sizeOf(step);
      if (this.#bytes + bytes > EVENT_BYTES_MAX) this.publish();
      this.#steps.push(step);
      this.#bytes += bytes;
    }
  }
}

function sizeOf({ keys, pages = [], detail = '' }: Step): number {
  const keyBytes = keys.reduce((sum, key) => sum + key.length + KEY_QUOTES_BYTES, 0);
  return STEP_BYTES + keyBytes + PAGE_BYTES * pages.length + detail.length;
}
