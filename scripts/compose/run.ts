/** What every step of a run works on. */
import type { Cluster } from './cluster.js';
import type { Findings } from './summary.js';

export interface Run {
  readonly cluster: Cluster;
  readonly findings: Findings;
  /** Whether Grafana can run here. */
  readonly hasGrafana: boolean;
  /** Root of the repository. */
  readonly root: string;
  readonly say: (line: string) => void;
}
