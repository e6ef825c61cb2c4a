/**
 * Shrinks a scenario that breaks a rule. It removes parts, larger ones first, while the smaller scenario still breaks the same
 * rule.
 */
import { receiversOf } from './offers.js';
import { runScenario, type ScenarioResult } from './run-scenario.js';
import type { RequestPlan, Scenario } from './scenario.js';

/** Limits the time of a search. One run takes some tens of milliseconds. */
const RUNS_MAX = 400;

export interface Shrunk {
  readonly scenario: Scenario;
  /** Result of the smaller scenario, with its trace. */
  readonly result: ScenarioResult;
}

export async function shrink(scenario: Scenario, rule: string): Promise<Shrunk> {
  const search = new Search(scenario, rule);
  for (let before = 0; before !== search.size; ) {
    before = search.size;
    await search.without('faults');
    await search.without('requests');
    await search.simpler();
  }
  await search.withoutIdle();
  return { scenario: search.best, result: await runScenario(search.best, { trace: true }) };
}

class Search {
  best: Scenario;
  readonly #rule: string;
  #runs = 0;

  constructor(scenario: Scenario, rule: string) {
    this.best = scenario;
    this.#rule = rule;
  }

  get size(): number {
    return this.best.faults.length + this.best.requests.length;
  }

  /** Removes halves of the list, then quarters and so on, down to single elements. */
  async without(list: 'faults' | 'requests'): Promise<void> {
    for (let size = Math.ceil(this.best[list].length / 2); size >= 1; size = Math.floor(size / 2)) {
      for (let from = 0; from < this.best[list].length; ) {
        const kept = this.best[list].filter((_, index) => index < from || index >= from + size);
        if (!(await this.#accept({ ...this.best, [list]: kept }))) from += size;
      }
    }
  }

  /** Simplifies single requests: one batch, no cancel, no staging, no late batch, one route, no skipped chunks. */
  async simpler(): Promise<void> {
    const changes: ((plan: RequestPlan) => Partial<RequestPlan>)[] = [
      () => ({ late: false }),
      () => ({ staged: false }),
      () => ({ cancel: null }),
      ({ batches }) => ({ batches: [batches.flat()] }),
      ({ routes }) => (routes === undefined ? {} : { routes: routes.slice(0, 1) }),
      ({ routes }) => (routes === undefined ? {} : { routes: routes.map(({ skip: _, ...call }) => call) }),
    ];
    for (const change of changes) {
      for (const [index, plan] of this.best.requests.entries()) {
        const simple = { ...plan, ...change(plan) };
        if (JSON.stringify(simple) === JSON.stringify(plan)) continue;
        await this.#accept({ ...this.best, requests: this.best.requests.with(index, simple) });
      }
    }
  }

  /** Removes agents that no request needs. */
  async withoutIdle(): Promise<void> {
    const used = new Set(this.best.requests.flatMap((plan) => [plan.sender, plan.receiver, ...receiversOf(plan)]));
    const agents = this.best.agents.filter(({ name }) => used.has(name));
    const there = new Set(agents.map(({ name }) => name));
    const faults = this.best.faults.filter((fault) => !('target' in fault) || there.has(fault.target));
    if (agents.length < this.best.agents.length) await this.#accept({ ...this.best, agents, faults });
  }

  async #accept(scenario: Scenario): Promise<boolean> {
    if (this.#runs >= RUNS_MAX) return false;
    this.#runs += 1;
    const { violation } = await runScenario(scenario);
    if (violation?.rule !== this.#rule) return false;
    this.best = scenario;
    return true;
  }
}
