/** A deployment as it ships: every kind of transfer in it, then every attack, then deployments with a planted hole. */
import { Teardown } from '../../src/processes/teardown.js';
import type { Attack } from './attack.js';
import { allAttacks } from './attacks/all.js';
import { Cluster } from './cluster/cluster.js';
import { runDemo } from './honest/demo.js';
import { judge, type Observed, outcomeOf } from './judge.js';
import { type Hole, holes, plant } from './planted.js';
import { runAttack } from './run-attack.js';

export interface TrustOrder {
  /** Only attacks whose name, or the user that tries them, contains one of these texts. Empty: all. */
  readonly only: readonly string[];
  /** Only a deployment with this hole. The result shows whether its attack succeeds. */
  readonly planted: string | undefined;
}

export interface TrustResult {
  readonly attacks: number;
  readonly refused: number;
  readonly succeeded: number;
  /** Whether every kind of transfer and every tool worked. */
  readonly demoUnderPermissions: boolean;
  readonly demoRequests: number;
  /** Refusals of NATS during the demo, in the logs of the server and of agents. */
  readonly violations: number;
  readonly plantedHoles: number;
  readonly plantedFound: number;
  readonly seconds: number;
  /** Everything that is not as it must be, in words. */
  readonly broken: readonly string[];
}

type Say = (line: string) => void;

const MS_PER_SECOND = 1_000;

export async function runTrust({ only, planted }: TrustOrder, say: Say): Promise<TrustResult> {
  const startMs = performance.now();
  const hole = holes.find(({ name }) => name === planted);
  const wanted = hole === undefined ? selected(only) : selected([]).filter((attack) => isFor(hole, attack));
  const shipped = await inCluster(hole, say, (cluster, teardown) => demoAndAttacks(cluster, wanted, teardown, say));
  const found = hole === undefined && only.length === 0 ? await findHoles(say) : [];
  const missed = found.filter(({ isFound }) => !isFound).map(({ name }) => `the planted hole ${name} was not found`);
  return {
    ...shipped,
    plantedHoles: found.length,
    plantedFound: found.length - missed.length,
    seconds: Math.round((performance.now() - startMs) / MS_PER_SECOND),
    broken: [...shipped.broken, ...missed],
  };
}

function selected(only: readonly string[]): readonly Attack[] {
  const isWanted = ({ name, by }: Attack) => only.some((text) => name.includes(text) || by.includes(text));
  return only.length === 0 ? allAttacks : allAttacks.filter(isWanted);
}

function isFor({ finds, by }: Hole, attack: Attack): boolean {
  return attack.by === by && attack.name.includes(finds);
}

async function inCluster<T>(
  hole: Hole | undefined,
  say: Say,
  work: (cluster: Cluster, teardown: Teardown) => Promise<T>,
): Promise<T> {
  const teardown = new Teardown();
  try {
    return await work(await Cluster.start(hole === undefined ? undefined : plant(hole), teardown), teardown);
  } finally {
    await teardown.run((error) => say(`clean-up: ${String(error)}`));
  }
}

async function demoAndAttacks(cluster: Cluster, attacks: readonly Attack[], teardown: Teardown, say: Say) {
  const demo = await runDemo(cluster, teardown);
  const violations = [...cluster.deployment.violations(), ...cluster.agentViolations()];
  say(`demo: ${demo.requests} requests, ${demo.broken.length} broken, ${violations.length} violations`);
  const before = await cluster.damage();
  const { broken, ...judged } = judge(await runAttacks(cluster, attacks, say));
  return {
    ...judged,
    demoUnderPermissions: demo.broken.length === 0,
    demoRequests: demo.requests,
    violations: violations.length,
    broken: [...demo.broken, ...violations.map((line) => `violation: ${line}`), ...before, ...broken],
  };
}

async function runAttacks(cluster: Cluster, attacks: readonly Attack[], say: Say): Promise<Observed[]> {
  const observed: Observed[] = [];
  for (const [number, attack] of attacks.entries()) {
    const one = await runAttack(attack, number, cluster);
    const why = [...one.effects, ...one.contained, ...one.refusals][0] ?? 'nothing refused it';
    say(`${outcomeOf(one).padEnd(9)}  ${attack.by}: ${attack.name} (${why.slice(0, 160)})`);
    observed.push(one);
  }
  return observed;
}

/** Each in a deployment of its own, whose attack must succeed. */
async function findHoles(say: Say): Promise<{ readonly name: string; readonly isFound: boolean }[]> {
  const found: { name: string; isFound: boolean }[] = [];
  for (const hole of holes) {
    const attacks = allAttacks.filter((attack) => isFor(hole, attack));
    const observed = await inCluster(hole, say, (cluster) => runAttacks(cluster, attacks, say));
    const isFound = observed.length > 0 && observed.every((one) => outcomeOf(one) === 'succeeded');
    say(`planted hole ${hole.name}: ${isFound ? 'found' : 'NOT FOUND'}`);
    found.push({ name: hole.name, isFound });
  }
  return found;
}
