/**
 * The bounded queue of spans that wait for export in batches. Spans that do not reach the collector are lost. The queue
 * counts and logs lost spans, once a minute at most. The agent is not affected.
 */
import {
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import type { Logger } from 'pino';

/** Most spans that wait, about 1.5 kB each. Further spans are lost. */
export const SPANS_WAITING_MAX = 8192;
const SPANS_PER_BATCH_MAX = 512;
/** A partial batch is exported after this time. */
const BATCH_DELAY_MS = 1000;
/** The next batch is sent after this time, even if the one before has no result. */
const EXPORT_TIMEOUT_MS = 10_000;
const COMPLAINT_INTERVAL_MS = 60_000;
/** `ExportResultCode.SUCCESS`; its package is not imported for one constant. */
const EXPORT_SUCCEEDED = 0;

export class SpanQueue implements SpanProcessor {
  readonly #batches: SpanProcessor;
  readonly #logger: Logger;
  #waiting = 0;
  #exported = 0;
  #lost = 0;
  #nextComplaintMs = 0;

  constructor(exporter: SpanExporter, logger: Logger) {
    this.#logger = logger;
    const watched: SpanExporter = {
      export: (spans, done) => {
        exporter.export(spans, (result) => {
          const reason = result.error?.message ?? 'no reason was given';
          this.#settled(spans.length, result.code === EXPORT_SUCCEEDED ? undefined : reason);
          done(result);
        });
      },
      shutdown: () => exporter.shutdown(),
    };
    this.#batches = new BatchSpanProcessor(watched, {
      maxQueueSize: SPANS_WAITING_MAX,
      maxExportBatchSize: SPANS_PER_BATCH_MAX,
      scheduledDelayMillis: BATCH_DELAY_MS,
      exportTimeoutMillis: EXPORT_TIMEOUT_MS,
    });
  }

  /** `waiting`: spans that wait for their export or for its result. */
  get counts(): { readonly exported: number; readonly lost: number; readonly waiting: number } {
    return { exported: this.#exported, lost: this.#lost, waiting: this.#waiting };
  }

  onStart(): void {
    // Only ended spans are exported.
  }

  onEnd(span: ReadableSpan): void {
    if (this.#waiting >= SPANS_WAITING_MAX) {
      this.#lose(1, 'the queue is full');
      return;
    }
    this.#waiting += 1;
    this.#batches.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#batches.shutdown();
  }

  #settled(count: number, refusal: string | undefined): void {
    this.#waiting -= count;
    if (refusal === undefined) this.#exported += count;
    else this.#lose(count, refusal);
  }

  #lose(count: number, reason: string): void {
    this.#lost += count;
    const nowMs = performance.now();
    if (nowMs < this.#nextComplaintMs) return;
    this.#nextComplaintMs = nowMs + COMPLAINT_INTERVAL_MS;
    this.#logger.warn({ reason, lost: this.#lost }, 'spans lost: they did not reach the trace collector');
  }
}
