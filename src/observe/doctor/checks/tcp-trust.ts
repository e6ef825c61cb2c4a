/** Who can reach the TCP paths, and what they can do there. */
import { BlockList, isIPv6 } from 'node:net';
import { formatPortRange } from '../../../config/port-range.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('network', 'tcp-trust');
/** Loopback, private, link-local, and shared by carriers. */
const PRIVATE_NETWORKS = [
  ...['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', '100.64.0.0/10'],
  ...['::1/128', 'fc00::/7', 'fe80::/10'],
];

/** They cross a network, and cannot encrypt. */
const IN_CLEAR: ReadonlySet<string> = new Set(['verbs', 'efa', 'libfabric-tcp', 'net']);

const isPrivate = inNetworks(PRIVATE_NETWORKS);
const isLoopback = inNetworks(['127.0.0.0/8', '::1/128']);

export async function checkTcpTrust(examination: Examination): Promise<Finding[]> {
  return [...(await ownTcp(examination)), ...(await libfabricNet(examination))];
}

async function ownTcp({ system, settings }: Examination): Promise<Finding[]> {
  if (!settings.provider.includes('tcp')) return [];
  const { bindAddress, tcpPort, tcpEncryption } = settings;
  const ports = tcpPort.first === 0 ? 'any free port' : `port ${formatPortRange(tcpPort)}`;
  const place = `tcp listens at ${bindAddress}, ${ports}`;
  if (tcpEncryption === 'required') {
    const inClear = settings.provider.filter((provider) => IN_CLEAR.has(provider));
    if (inClear.length === 0) return [found.ok(`${place}, and encrypts`)];
    return [
      found.warning(
        `${place}, and encrypts; ${inClear.join(', ')} cannot encrypt, and senders may use them`,
        'set --provider same-host,tcp',
      ),
    ];
  }
  const addresses = await system.resolve(bindAddress);
  if (addresses.every(isPrivate)) return [found.ok(`${place}, in clear on a private address`)];
  return [
    found.warning(
      `${place}, in clear on a public address`,
      'set --tcp-encryption required, or --bind-address to a private address',
    ),
  ];
}

/** The code of libfabric's `net` provider trusts every packet that it receives. */
async function libfabricNet({ system, settings }: Examination): Promise<Finding[]> {
  if (!settings.provider.includes('net')) return [];
  const { bindAddress } = settings;
  const place = `net listens at ${bindAddress}, any free port`;
  const addresses = await system.resolve(bindAddress);
  if (addresses.every(isLoopback)) return [found.ok(`${place}, on this host only`)];
  return [
    found.warning(
      `${place}: one forged packet from a host of that network ends the agent`,
      "set --provider auto, which takes kvferry's own tcp; or let only trusted hosts reach the address",
    ),
  ];
}

function inNetworks(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  const typeOf = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4');
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    list.addSubnet(address, Number(bits), typeOf(address));
  }
  return (address) => list.check(address, typeOf(address));
}
