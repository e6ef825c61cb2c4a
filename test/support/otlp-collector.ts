/** A collector of OpenTelemetry traces. It accepts OTLP over HTTP as JSON, on a free port. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CollectedSpan {
  /** Attributes of the process that made the span. */
  readonly resource: Readonly<Record<string, unknown>>;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly attributes: Readonly<Record<string, unknown>>;
}

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface ExportRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<CollectedSpan, 'resource' | 'attributes'> & {
        readonly attributes: readonly Attribute[];
      })[];
    }[];
  }[];
}

export class OtlpCollector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = [];
  /** Status codes of all answers so far. */
  readonly answered: number[] = [];
  readonly paths = new Set<string | undefined>();
  /** Values of the `authorization` header so far. */
  readonly tokens = new Set<string | undefined>();
  /** Status code of the next answers. With `silent` the collector does not answer. */
  answer: number | 'silent' = 200;
  readonly #server: Server;
  #heard: () => void = () => undefined;

  private constructor() {
    this.#server = createServer(async (request, response) => {
      this.paths.add(request.url);
      this.tokens.add(request.headers.authorization);
      const body = await textOf(request);
      if (this.answer === 'silent') return;
      if (this.answer === 200) this.#collect(JSON.parse(body) as ExportRequest);
      response.writeHead(this.answer, { 'content-type': 'application/json' }).end('{}');
      this.answered.push(this.answer);
      this.#heard();
    });
  }

  static async start(): Promise<OtlpCollector> {
    const collector = new OtlpCollector();
    collector.#server.listen(0, '127.0.0.1');
    await once(collector.#server, 'listening');
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when `wanted` is true for this collector. */
  async until(wanted: (collector: this) => boolean): Promise<void> {
    while (!wanted(this)) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  #collect({ resourceSpans }: ExportRequest): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        const { name, traceId, spanId, parentSpanId } = span;
        const attributes = recordOf(span.attributes);
        this.spans.push({
          resource: recordOf(resource.attributes),
          name,
          traceId,
          spanId,
          parentSpanId,
          attributes,
        });
      }
    }
  }
}

function recordOf(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request) text += String(part);
  return text;
}
