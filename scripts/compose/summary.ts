/** What the run found, as one object: the last line of `--json`. */
import type { DemoReport } from '../../src/cli/demo/report.js';

export interface Summary {
  readonly up: boolean;
  /** Requests of all loads that became ready. */
  readonly requests: number;
  readonly mismatches: number;
  /** After every fault, a load ran without a failed request. */
  readonly recovered: boolean;
  /** Agents after `--scale`. */
  readonly agents: number;
  /** Whether NATS refuses a connection without TLS. */
  readonly tls: boolean;
  readonly images: 'registry' | 'debian';
  /** Panels of the dashboard whose queries Prometheus answered with data, and how many panels there are. */
  readonly panels: { readonly withData: number; readonly all: number };
  readonly grafana: boolean;
  readonly leftovers: readonly string[];
  /** Everything that is not as it should be, in words. */
  readonly broken: readonly string[];
  readonly seconds: number;
}

/** Collects what a run finds. */
export class Findings {
  readonly #broken: string[] = [];
  readonly #loads: { readonly when: string; readonly report: DemoReport }[] = [];
  up = false;
  /** Names of the agents that have run. */
  readonly names = new Set<string>();
  agents = 0;
  tls = false;
  panels = { withData: 0, all: 0 };
  grafana = false;
  leftovers: readonly string[] = [];

  /** Notes `what` is wrong unless it is so. */
  expect(isSo: boolean, what: string): void {
    if (!isSo) this.#broken.push(what);
  }

  /** A load during a fault may have failed requests, but never a wrong byte. */
  duringFault(when: string, report: DemoReport): void {
    this.#note(when, report);
    this.expect(report.ready > 0, `${when}: no request became ready`);
  }

  /** A load on a cluster that is well. */
  whenWell(when: string, report: DemoReport): void {
    this.#note(when, report);
    const { ready, requests, leakedPages } = report;
    this.expect(ready === requests, `${when}: ${ready} of ${requests} requests became ready`);
    this.expect(leakedPages === 0, `${when}: ${leakedPages} pages leaked`);
  }

  #note(when: string, report: DemoReport): void {
    this.#loads.push({ when, report });
    const { mismatches, violations } = report;
    this.expect(mismatches === 0, `${when}: ${mismatches} mismatches`);
    for (const violation of violations) this.expect(false, `${when}: ${violation}`);
  }

  summary(images: Summary['images'], seconds: number): Summary {
    const sum = (count: (report: DemoReport) => number) =>
      this.#loads.reduce((total, { report }) => total + count(report), 0);
    const broken = [...this.#broken, ...this.leftovers.map((what) => `left behind: ${what}`)];
    return {
      up: this.up,
      requests: sum(({ ready }) => ready),
      mismatches: sum(({ mismatches }) => mismatches),
      recovered: this.up && broken.length === 0,
      agents: this.agents,
      tls: this.tls,
      images,
      panels: this.panels,
      grafana: this.grafana,
      leftovers: this.leftovers,
      broken,
      seconds,
    };
  }
}
