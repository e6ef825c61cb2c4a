/** Can agents on other hosts reach the address that this one gives them, and over what kind of link? */
import { boundInterface, isLoopback, linkSpeedMbps } from '../bound-interface.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('network', 'bind-address');
const WITH_ADDRESS = ['tcp', 'net', 'verbs'];
const ETHERNET_MTU = 1500;
const JUMBO_MTU = 9000;
/** From here on the number of packets matters. */
const FAST_LINK_MBPS = 10_000;

export async function checkBindAddress({ system, settings }: Examination): Promise<Finding[]> {
  if (!settings.provider.some((provider) => WITH_ADDRESS.includes(provider))) return [];
  const { bindAddress } = settings;
  const bound = await boundInterface(system, bindAddress);
  if (bound === 'unresolved') {
    return [
      found.problem(`bind address ${bindAddress} has no address`, 'set --bind-address to an address of this host'),
    ];
  }
  if (bound === 'foreign') {
    const own = system.addresses.filter(({ isInternal }) => !isInternal).map(({ address }) => address);
    return [
      found.problem(
        `bind address ${bindAddress} is not one of this host's`,
        `set --bind-address to one of ${own.join(', ') || 'its addresses'}`,
      ),
    ];
  }
  const about = (name: string) => system.read(`/sys/class/net/${bound}/${name}`);
  const mtu = Number(about('mtu'));
  if (isLoopback(system, bound)) {
    return [
      found.note(
        `bind address ${bindAddress} is on ${bound} (MTU ${mtu}): agents on other hosts cannot reach this one`,
        'with agents on other hosts, set --bind-address to an address that they can reach',
      ),
    ];
  }
  const speedMbps = linkSpeedMbps(system, bound);
  const text =
    `bind address ${bindAddress} is on ${bound}, MTU ${mtu}` +
    (speedMbps === undefined ? '' : `, ${speedMbps / 1000} Gb/s`);
  if (about('operstate') === 'down') {
    return [found.problem(`${text}; it is down`, `check the cable and ip link set ${bound} up`)];
  }
  if (mtu < ETHERNET_MTU) {
    return [
      found.warning(`${text}: small packets cost throughput`, 'tunnels and overlays do that; use the host network'),
    ];
  }
  if (mtu < JUMBO_MTU && (speedMbps ?? 0) >= FAST_LINK_MBPS) {
    return [
      found.note(
        text,
        `jumbo frames save processor time at this speed (ip link set ${bound} mtu ${JUMBO_MTU}), if every switch and peer has them`,
      ),
    ];
  }
  return [found.ok(text)];
}
