/** Kinds of IP addresses. */
import { BlockList, isIPv6 } from 'node:net';

const LOOPBACK = ['127.0.0.0/8', '::1/128'];
const LINK_LOCAL = ['169.254.0.0/16', 'fe80::/10'];
/** Private, and shared by carriers. */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'];

export const isLoopbackAddress = inNetworks(LOOPBACK);
/** An IPv6 address of this kind needs the name of an interface too. */
export const isLinkLocal = inNetworks(LINK_LOCAL);
/** No host of the public internet reaches it. */
export const isPrivate = inNetworks([...LOOPBACK, ...LINK_LOCAL, ...PRIVATE]);

function inNetworks(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  const typeOf = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4');
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    list.addSubnet(address, Number(bits), typeOf(address));
  }
  return (address) => list.check(address, typeOf(address));
}
