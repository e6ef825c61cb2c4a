/** Every check, in the order of display. */
import { checkAddon } from './checks/addon.js';
import { checkAgentHealth } from './checks/agent-health.js';
import { checkAgentProviders } from './checks/agent-providers.js';
import { checkAgents } from './checks/agents.js';
import { checkBindAddress } from './checks/bind-address.js';
import { checkClockSource } from './checks/clock-source.js';
import { checkCuda } from './checks/cuda.js';
import { checkHugePages } from './checks/huge-pages.js';
import { checkLibfabric } from './checks/libfabric.js';
import { checkMemlock } from './checks/memlock.js';
import { checkMemory } from './checks/memory.js';
import { checkNats } from './checks/nats.js';
import { checkNetworkTrust } from './checks/network-trust.js';
import { checkNodeVersion } from './checks/node-version.js';
import { checkOpenFiles } from './checks/open-files.js';
import { checkPeers } from './checks/peers.js';
import { checkProcessors } from './checks/processors.js';
import { checkProviders } from './checks/providers.js';
import { checkRdma } from './checks/rdma.js';
import { checkSharedMemory } from './checks/shared-memory.js';
import { checkSocketDirectory } from './checks/socket-directory.js';
import { checkTcpBuffers } from './checks/tcp-buffers.js';
import { checkTcpPort } from './checks/tcp-port.js';
import { checkTraffic } from './checks/traffic.js';
import type { Examination } from './examination.js';
import type { Finding } from './finding.js';

type Check = (examination: Examination) => readonly Finding[] | Promise<readonly Finding[]>;

const checks: readonly Check[] = [
  checkNodeVersion,
  checkAddon,
  checkLibfabric,
  checkProviders,
  checkSocketDirectory,
  checkRdma,
  checkCuda,
  checkSharedMemory,
  checkMemory,
  checkMemlock,
  checkHugePages,
  checkProcessors,
  checkClockSource,
  checkOpenFiles,
  checkBindAddress,
  checkTcpPort,
  checkTcpBuffers,
  checkNetworkTrust,
  checkNats,
  checkAgents,
  checkAgentHealth,
  checkAgentProviders,
  checkPeers,
  checkTraffic,
];

export async function runChecks(examination: Examination): Promise<Finding[]> {
  const findings = await Promise.all(checks.map((check) => check(examination)));
  return findings.flat();
}
