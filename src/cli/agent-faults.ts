/** Failpoints and faults of an agent process. Loaded only by an agent that is started with them. */
import type { AgentPorts } from '../actors/agent/agent-actor.js';
import type { AgentOptions } from '../actors/env/agent-options.js';
import { RefusalLog } from '../actors/observing/refusal-log.js';
import type { ControlPort } from '../ports/control.js';
import type { FabricPort } from '../ports/fabric.js';
import { FailingControl } from '../proof/failpoints/failing-control.js';
import { FailingFabric } from '../proof/failpoints/failing-fabric.js';
import { failpointNames } from '../proof/failpoints/failpoint-names.js';
import { FAILPOINTS_VARIABLE, type Failpoint } from '../proof/failpoints/failpoint-spec.js';
import { Failpoints } from '../proof/failpoints/failpoints.js';
import { Faults } from '../proof/faults/faults.js';
import { processHost } from '../proof/faults/process-host.js';
import { serveFaults } from '../proof/faults/serve-faults.js';
import { SeverableControl } from '../proof/faults/severable-control.js';

export { type Failpoint, parseFailpoints } from '../proof/failpoints/failpoint-spec.js';

/** The ports of an agent before its remote keys are sealed. */
export type UnsealedPorts = Omit<AgentPorts, 'fabric'> & { readonly fabric: FabricPort };

export const failpointHelp = `Failpoints, for tests only: ${FAILPOINTS_VARIABLE}=step=action[@n],…
An agent acts when it reaches the step for the n-th time (default: the first).
Actions: kill, stop, fail, delay:ms
Steps:
${failpointNames.map((name) => `  ${name}`).join('\n')}`;

/** For tests: ports that kill, stop or delay the agent, or fail, at the armed steps. */
export function withFailpoints(ports: UnsealedPorts, armed: readonly Failpoint[]): UnsealedPorts {
  ports.logger.warn({ failpoints: armed }, 'failpoints are armed: this agent is for tests');
  const failpoints = new Failpoints(armed, { clock: ports.clock, signal });
  return {
    ...ports,
    control: new FailingControl(ports.control, failpoints),
    fabric: new FailingFabric(ports.fabric, failpoints),
  };
}

/**
 * For demonstrations: ports into which fault orders inject faults, and the service that takes the orders from
 * `orders`. A recording of these ports contains the effects of a fault.
 */
export function withFaults(
  ports: UnsealedPorts,
  { agent, role, heartbeatMs }: AgentOptions,
  orders: ControlPort,
  epoch: string,
): { readonly ports: UnsealedPorts; readonly faults: Faults } {
  const { clock, control, fabric, logger } = ports;
  logger.warn('faults are allowed: every client of NATS can kill, stop and cut off this agent');
  const line = new SeverableControl(control, logger);
  const failpoints = new Failpoints([], { clock, signal });
  const host = { clock, logger, ...processHost(logger) };
  const faults = new Faults({ agent, role, heartbeatMs, line, failpoints, host });
  serveFaults({ control: orders, clock, logger, agent, epoch, faults, refusals: new RefusalLog(logger) });
  return { ports: { ...ports, control: line, fabric: new FailingFabric(fabric, failpoints) }, faults };
}

function signal(name: 'SIGKILL' | 'SIGSTOP'): void {
  process.kill(process.pid, name);
}
