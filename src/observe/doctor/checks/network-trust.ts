/** Who can reach the paths over TCP, and what they can do there. Only an agent with an arena listens. */
import { formatPortRange } from '../../../config/port-range.js';
import { boundInterface } from '../bound-interface.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';
import { isLoopbackAddress, isPrivate } from '../networks.js';

const found = new Findings('network', 'network-trust');

export async function checkNetworkTrust({ system, settings }: Examination): Promise<Finding[]> {
  const { role, provider, bindAddress, tcpEncryption } = settings;
  if (role === 'prefill') {
    return tcpEncryption === 'required' && provider.includes('tcp')
      ? [found.ok('bytes leave this host by encrypted tcp only')]
      : [];
  }
  // The check of the bind address has reported it.
  if (['unresolved', 'foreign'].includes(await boundInterface(system, bindAddress))) return [];
  const addresses = await system.resolve(bindAddress);
  return [
    ...(provider.includes('tcp') ? [ownTcp(settings, addresses)] : []),
    ...(provider.includes('net') ? [libfabricNet(bindAddress, addresses)] : []),
  ];
}

function ownTcp(
  { bindAddress, tcpPort, tcpEncryption }: Examination['settings'],
  addresses: readonly string[],
): Finding {
  const ports = tcpPort.first === 0 ? 'any free port' : `port ${formatPortRange(tcpPort)}`;
  const place = `tcp at ${bindAddress}, ${ports}`;
  if (tcpEncryption === 'required') return found.ok(`${place}: encrypted`);
  if (addresses.every(isPrivate)) return found.ok(`${place}: in clear on a private address`);
  return found.warning(
    `${place}: in clear on a public address`,
    'set --tcp-encryption required, or --bind-address to a private address',
  );
}

/** The code of libfabric's `net` provider trusts every packet that it receives. */
function libfabricNet(bindAddress: string, addresses: readonly string[]): Finding {
  const place = `net listens at ${bindAddress}, any free port`;
  if (addresses.every(isLoopbackAddress)) return found.ok(`${place}, on this host only`);
  return found.warning(
    `${place}: one forged packet from a host of that network ends the agent`,
    "set --provider auto, which takes kvferry's own tcp; or let only trusted hosts reach the address",
  );
}
