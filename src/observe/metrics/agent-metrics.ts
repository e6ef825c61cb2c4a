/**
 * The metrics of one agent. It is told what happens (the journal's events, the state of the connection to NATS), and asked for
 * the rest when somebody scrapes. It only looks: nothing that an agent does depends on it.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import type { JournalEvent } from '../../actors/observing/journal.js';
import type { ControlStatus } from '../../ports/control.js';
import type { Role } from '../../protocol/fields.js';
import { AgentCounts } from './agent-counts.js';
import { Lifetimes } from './lifetimes.js';
import { type AgentStatus, PresentState } from './present-state.js';
import { addRuntimeMetrics } from './runtime-metrics.js';

/** One metric, for people. */
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
    this.#connected = new Gauge({ name: 'kvferry_nats_connected', help: '1 while connected to NATS.', registers });
    this.#disconnects = new Counter({
      name: 'kvferry_nats_disconnects_total',
      help: 'Times that the connection to NATS was lost.',
      registers,
    });
    addRuntimeMetrics(this.#registry, version);
  }

  /** Content type of what `render` returns. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Something has happened in the agent. */
  observe(event: JournalEvent): void {
    this.#lifetimes.observe(event);
  }

  natsChanged(status: ControlStatus): void {
    this.#connected.set(status === 'connected' ? 1 : 0);
    if (status === 'disconnected') this.#disconnects.inc();
  }

  /** Everything, in Prometheus's text format. Without a status, because there is no agent yet: what there is. */
  async render(status: AgentStatus | undefined): Promise<string> {
    if (status !== undefined) {
      this.#counts.update(status.counters);
      this.#state.update(status);
    }
    return await this.#registry.metrics();
  }

  describe(): MetricDescription[] {
    // prom-client's types leave out the labels that its metrics have.
    const metrics = this.#registry.getMetricsAsArray() as unknown as readonly (Omit<MetricDescription, 'labels'> & {
      readonly labelNames: readonly string[];
    })[];
    return metrics.map(({ name, type, help, labelNames }) => ({ name, type, help, labels: labelNames }));
  }
}
