/**
 * Publishes what has become of chunks, every step with every key, for whoever keeps it: a JetStream stream, say. What cannot be
 * published is lost, and counted; nothing waits for it.
 */
import type { AuditEvent } from '../../protocol/events.js';
import { AUDIT_KEYS_MAX, MESSAGE_BYTES_MAX, PROTOCOL_VERSION } from '../../protocol/limits.js';
import { subjects } from '../../protocol/subjects.js';
import type { AgentEnv } from '../agent/agent-env.js';
import type { StoreEvent } from './journal.js';
import { publishEvent } from './publish-event.js';

type Step = AuditEvent['steps'][number];

/** What one event may take as JSON; a step takes this much besides its keys, pages and texts. */
const EVENT_BYTES_MAX = 0.8 * MESSAGE_BYTES_MAX;
const STEP_BYTES = 300;
const KEY_QUOTES_BYTES = 3;
const PAGE_BYTES = 8;
const TEXT_MAX = 512;

export class AuditPublisher {
  readonly #env: AgentEnv;
  #steps: Step[] = [];
  #bytes = 0;
  #number = 0;

  constructor(env: AgentEnv) {
    this.#env = env;
    env.journal.onEvent((event) => {
      if (event.kind === 'store') this.#add(event);
    });
  }

  /** Everything since the last time. */
  publish(): void {
    if (this.#steps.length === 0) return;
    const { options, epoch, clock } = this.#env;
    const about = { v: PROTOCOL_VERSION, agent: options.agent, epoch, number: this.#number } as const;
    const event: AuditEvent = { ...about, nowMs: clock.now(), steps: this.#steps };
    this.#steps = [];
    this.#bytes = 0;
    this.#number += 1;
    publishEvent(this.#env, subjects.audit(options.agent), event);
  }

  #add(event: StoreEvent): void {
    const { atMs, action, about, positions, pages, detail } = event;
    const { request, epoch, batch } = about;
    const keys = positions === undefined ? event.keys : positions.map((position) => event.keys[position] as string);
    const common = {
      ...{ atMs, action },
      ...(request === undefined ? {} : { request }),
      ...(epoch === undefined ? {} : { epoch }),
      ...(batch === undefined ? {} : { batch }),
      ...(detail === undefined ? {} : { detail: detail.slice(0, TEXT_MAX) }),
    };
    const length = Math.max(keys.length, pages?.length ?? 0);
    for (let start = 0; start === 0 || start < length; start += AUDIT_KEYS_MAX) {
      const part = keys.slice(start, start + AUDIT_KEYS_MAX);
      const partPages = pages?.slice(start, start + AUDIT_KEYS_MAX);
      const chunks = length > 0 ? Math.max(part.length, partPages?.length ?? 0) : (event.chunks ?? 0);
      const step = { ...common, chunks, keys: part, ...(partPages === undefined ? {} : { pages: partPages }) };
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
