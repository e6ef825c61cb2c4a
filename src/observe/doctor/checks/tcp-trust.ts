/** Who can reach the TCP path, and whether they can read it. */
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

const isPrivate = privateNetworks();

export async function checkTcpTrust({ system, settings }: Examination): Promise<Finding[]> {
  if (!settings.provider.includes('tcp')) return [];
  const { bindAddress, tcpPort, tcpEncryption } = settings;
  const ports = tcpPort.first === 0 ? 'any free port' : `port ${formatPortRange(tcpPort)}`;
  const place = `tcp listens at ${bindAddress}, ${ports}`;
  if (tcpEncryption === 'required') return [found.ok(`${place}, and encrypts`)];
  const addresses = await system.resolve(bindAddress);
  if (addresses.every(isPrivate)) return [found.ok(`${place}, in clear on a private address`)];
  return [
    found.warning(
      `${place}, in clear on a public address`,
      'set --tcp-encryption required, or --bind-address to a private address',
    ),
  ];
}

function privateNetworks(): (address: string) => boolean {
  const list = new BlockList();
  const typeOf = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4');
  for (const network of PRIVATE_NETWORKS) {
    const [address = '', bits] = network.split('/');
    list.addSubnet(address, Number(bits), typeOf(address));
  }
  return (address) => list.check(address, typeOf(address));
}
