/**
 * The metrics of one agent. They follow the events of the journal and the state of the NATS connection. A scrape reads the
 * rest from `status`. Metrics only observe: an agent behaves the same without them.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import type { Overview } from '../../actors/agent/status.js';
import type { JournalEvent } from '../../actors/observing/journal.js';
import type { ControlStatus } from '../../ports/control.js';
import type { Role } from '../../protocol/fields.js';
import { AgentCounts } from './agent-counts.js';
import { Lifetimes } from './lifetimes.js';
import { PresentState } from './present-state.js';
import { addRuntimeMetrics } from './runtime-metrics.js';

/** The description of one metric, for the docs. */
export interface MetricDescription {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

export class AgentMetrics {
  readonly #registry = new Registry();
  readonly #counts: AgentCounts;
  readonly #state: PresentState;
  readonly #lifetimes: Lifetimes;
  readonly #connected: Gauge;
  readonly #disconnects: Counter;

  /** Every series has the agent's name and role as labels. */
  constructor({ agent, role, version }: { readonly agent: string; readonly role: Role; readonly version: string }) {
    const registers = [this.#registry];
    this.#registry.setDefaultLabels({ agent, role });
    this.#lifetimes = new Lifetimes(this.#registry);
    this.#counts = new AgentCounts(this.#registry);
    this.#state = new PresentState(this.#registry);
    this.#connected = new Gauge({
      name: 'kvferry_nats_connected',
      help: '1 while the agent is connected to NATS, else 0.',
      registers,
    });
    this.#disconnects = new Counter({
      name: 'kvferry_nats_disconnects_total',
      help: 'Lost connections to NATS.',
      registers,
    });
    addRuntimeMetrics(this.#registry, version);
  }

  /** Content type of what `render` returns. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Counts an event of the journal. */
  observe(event: JournalEvent): void {
    this.#lifetimes.observe(event);
  }

  natsChanged(status: ControlStatus): void {
    this.#connected.set(status === 'connected' ? 1 : 0);
    if (status === 'disconnected') this.#disconnects.inc();
  }

  /** All metrics in Prometheus's text format. `status` is undefined until the agent exists. */
  async render(status: Overview | undefined): Promise<string> {
    if (status !== undefined) {
      this.#counts.update(status.counters);
      this.#state.update(status);
    }
    return await this.#registry.metrics();
  }

  describe(): MetricDescription[] {
    // The types of prom-client do not include the labels of its metrics.
    const metrics = this.#registry.getMetricsAsArray() as unknown as readonly (Omit<MetricDescription, 'labels'> & {
      readonly labelNames: readonly string[];
    })[];
    return metrics.map(({ name, type, help, labelNames }) => ({ name, type, help, labels: labelNames }));
  }
}
