/** Checks that agents on other hosts can reach the bind address, and over which link. */
import { boundInterface, isLoopback, linkSpeedMbps } from '../bound-interface.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';
import { isLinkLocal } from '../networks.js';

const found = new Findings('network', 'bind-address');
const WITH_ADDRESS = ['tcp', 'libfabric-tcp', 'net', 'verbs'];
const ETHERNET_MTU = 1500;
const JUMBO_MTU = 9000;
/** From this speed on, the number of packets matters. */
const FAST_LINK_MBPS = 10_000;

export async function checkBindAddress({ system, settings }: Examination): Promise<Finding[]> {
  if (!settings.provider.some((provider) => WITH_ADDRESS.includes(provider))) return [];
  const { bindAddress } = settings;
  const bound = await boundInterface(system, bindAddress);
  if (bound === 'unresolved') {
    return [
      found.problem(
        `bind address ${bindAddress} does not resolve to an address`,
        'set --bind-address to an address of this host',
      ),
    ];
  }
  if (bound === 'foreign') {
    const others = system.addresses.filter(({ address, isInternal }) => !isInternal && !isLinkLocal(address));
    const own = others.map(({ address }) => address);
    return [
      found.problem(
        `bind address ${bindAddress} does not belong to this host`,
        `set --bind-address to one of ${own.join(', ') || 'its addresses'}`,
      ),
    ];
  }
  const about = (name: string) => system.read(`/sys/class/net/${bound}/${name}`);
  const mtu = Number(about('mtu'));
  if (isLoopback(system, bound)) {
    return [
      found.note(
        `bind address ${bindAddress} is on ${bound} (MTU ${mtu}); agents on other hosts cannot reach it`,
        'if agents run on other hosts, set --bind-address to an address that they can reach',
      ),
    ];
  }
  const speedMbps = linkSpeedMbps(system, bound);
  const text =
    `bind address ${bindAddress} is on ${bound}, MTU ${mtu}` +
    (speedMbps === undefined ? '' : `, ${speedMbps / 1000} Gb/s`);
  if (about('operstate') === 'down') {
    return [found.problem(`${text}; it is down`, `check the cable, then run: ip link set ${bound} up`)];
  }
  if (mtu < ETHERNET_MTU) {
    return [
      found.warning(
        `${text}; small packets reduce throughput`,
        'tunnels and overlays reduce the MTU; use the host network',
      ),
    ];
  }
  if (mtu < JUMBO_MTU && (speedMbps ?? 0) >= FAST_LINK_MBPS) {
    return [
      found.note(
        text,
        `at this speed jumbo frames save processor time (ip link set ${bound} mtu ${JUMBO_MTU}); every switch and peer must support them`,
      ),
    ];
  }
  return [found.ok(text)];
}
