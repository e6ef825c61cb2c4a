/** Whether one of the ports at which tcp listens is free. */
import { formatPortRange } from '../../../config/port-range.js';
import { boundInterface } from '../bound-interface.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('network', 'tcp-port');

export async function checkTcpPort({ system, settings, cluster }: Examination): Promise<Finding[]> {
  const { role, agentId, provider, bindAddress, tcpPort } = settings;
  if (!provider.includes('tcp') || tcpPort.first === 0) return [];
  const ports = `port ${formatPortRange(tcpPort)}`;
  if (role === 'prefill') {
    return [found.note(`--tcp-port has no effect: an agent with the role prefill does not listen`)];
  }
  if (['unresolved', 'foreign'].includes(await boundInterface(system, bindAddress))) return [];
  let refusal = '';
  for (let port = tcpPort.first; port <= tcpPort.last; port += 1) {
    const reason = await system.whyNotListen(bindAddress, port);
    if (reason === undefined) return [found.ok(`port ${port} of ${bindAddress} is free for tcp`)];
    refusal = reason;
  }
  const text = `tcp cannot listen at ${bindAddress}, ${ports}: ${refusal}`;
  if (cluster?.agents.some(({ description }) => description.agent === agentId)) {
    return [found.note(`${text}. Agent ${agentId} runs, and may be the one that listens there`)];
  }
  return [
    found.problem(text, 'choose a free port or a larger range with --tcp-port; ss -ltnp shows who listens at a port'),
  ];
}
