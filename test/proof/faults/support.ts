/** Recorded agents on simulated ports that allow faults. */
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { AgentPorts } from '../../../src/actors/agent/agent-actor.js';
import type { AgentOptions } from '../../../src/actors/env/agent-options.js';
import { RefusalLog } from '../../../src/actors/observing/refusal-log.js';
import { KvferryClient } from '../../../src/client/kvferry-client.js';
import type { FabricPort } from '../../../src/ports/fabric.js';
import { FailingFabric } from '../../../src/proof/failpoints/failing-fabric.js';
import { Failpoints } from '../../../src/proof/failpoints/failpoints.js';
import { Faults } from '../../../src/proof/faults/faults.js';
import { serveFaults } from '../../../src/proof/faults/serve-faults.js';
import { SeverableControl } from '../../../src/proof/faults/severable-control.js';
import type { FaultReply, FaultRequest } from '../../../src/protocol/faults.js';
import type { Cluster } from '../../actors/support.js';
import { RecordedCluster } from '../../observe/replay/support.js';

export const silent = pino({ level: 'silent' });

export class FaultyCluster extends RecordedCluster {
  /** Kills and stops of processes, in order. */
  readonly done: string[] = [];
  readonly #client = new KvferryClient(this.network.connect('people'));
  /** Those around the fabric of each agent. */
  readonly #failpoints = new Map<string, Failpoints>();

  static create(): FaultyCluster {
    const cluster = new FaultyCluster();
    onTestFinished(() => cluster.stop());
    return cluster;
  }

  protected override decoratedFabric(fabric: FabricPort, { agent }: AgentOptions): FabricPort {
    const signal = (name: string) => void this.done.push(`${agent} ${name}`);
    const failpoints = new Failpoints([], { clock: this.clock, signal });
    this.#failpoints.set(agent, failpoints);
    return new FailingFabric(fabric, failpoints);
  }

  protected override decorated(ports: AgentPorts, options: AgentOptions): AgentPorts {
    const { agent, role, heartbeatMs } = options;
    const { clock } = this;
    const line = new SeverableControl(ports.control, silent);
    const failpoints = this.#failpoints.get(agent);
    if (failpoints === undefined) throw new Error(`agent ${agent} has no fabric`);
    const host = {
      clock,
      logger: silent,
      kill: () => void this.done.push(`${agent} is killed`),
      stopFor: (timeMs: number) => void this.done.push(`${agent} is stopped for ${timeMs} ms`),
    };
    const faults = new Faults({ agent, role, heartbeatMs, line, failpoints, host });
    const refusals = new RefusalLog(silent);
    serveFaults({ control: ports.control, clock, logger: silent, agent, epoch: ports.newEpoch(), faults, refusals });
    return super.decorated({ ...ports, control: line }, options);
  }

  /** Orders a fault, and advances time until the order is answered. */
  fault(agent: string, fault: FaultRequest['fault'], forMs?: number): Promise<FaultReply> {
    return this.settle(this.#client.fault(agent, { fault, ...(forMs === undefined ? {} : { forMs }) }));
  }
}

/** One decode agent and two prefill agents. The engine of each prefill agent has the chunks k0 … k3. */
export const keys = ['k0', 'k1', 'k2', 'k3'];

export async function faultyCluster(): Promise<FaultyCluster> {
  const cluster = FaultyCluster.create();
  await cluster.agent('decode-0', 'decode');
  for (const agent of ['prefill-0', 'prefill-1']) {
    await cluster.agent(agent, 'prefill');
    await cluster.segment(agent, 'engine', keys);
  }
  return cluster;
}

/** Times at which the heartbeats of that agent arrive at a bystander. */
export function heartbeatsOf(cluster: Cluster, agent: string): number[] {
  const heardMs: number[] = [];
  const subject = `kvferry.v2.heartbeat.${agent}`;
  cluster.network.connect('bystander').subscribe(subject, () => void heardMs.push(cluster.clock.now()));
  return heardMs;
}
