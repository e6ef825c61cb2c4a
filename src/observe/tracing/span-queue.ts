/**
 * Where spans wait until they are exported: bounded, in batches. Spans that do not reach the collector are lost; that is
 * counted and logged, once a minute at most, and disturbs nobody.
 */
import {
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import type { Logger } from 'pino';

/** Spans that wait at most; about 1.5 kB each. What comes then is lost. */
export const SPANS_WAITING_MAX = 8192;
const SPANS_PER_BATCH_MAX = 512;
/** A batch that is not full is exported after this. */
const BATCH_DELAY_MS = 1000;
/** After this the next batch goes, whatever became of the one before. */
const EXPORT_TIMEOUT_MS = 10_000;
const COMPLAINT_INTERVAL_MS = 60_000;
/** `ExportResultCode.SUCCESS` of a package that is not imported for this alone. */
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

  /** `waiting`: for their export, or for what becomes of it. */
  get counts(): { readonly exported: number; readonly lost: number; readonly waiting: number } {
    return { exported: this.#exported, lost: this.#lost, waiting: this.#waiting };
  }

  onStart(): void {
    // Only spans that have ended are exported.
  }

  onEnd(span: ReadableSpan): void {
    if (this.#waiting >= SPANS_WAITING_MAX) {
      this.#lose(1, 'they come faster than they can be exported');
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
    this.#logger.warn({ reason, lost: this.#lost }, 'spans are lost: the trace collector does not get them');
  }
}
