/** Checks that RDMA devices are up, that this process may use them, and that libfabric offers them. */
import type { Provider } from '../../../ports/fabric.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';
import type { System } from '../system.js';

const found = new Findings('fabric', 'rdma');

const DEVICES = '/sys/class/infiniband';
const SLINGSHOT_DEVICES = '/sys/class/cxi';
const DEVICE_FILES = '/dev/infiniband';
/** In the place of a driver. */
const SOFTWARE = 'a software device';
const CONNECTION_MANAGER = `${DEVICE_FILES}/rdma_cm`;

/** The devices of a provider; undefined when it needs none. */
export function devicesOf(system: System, provider: Provider): readonly string[] | undefined {
  if (provider !== 'verbs' && provider !== 'efa') return undefined;
  return system.list(DEVICES).filter((device) => (driverOf(system, device) === 'efa') === (provider === 'efa'));
}

export function checkRdma(examination: Examination): Finding[] {
  const { system, fabric } = examination;
  const slingshot = system.list(SLINGSHOT_DEVICES);
  const efa = devicesOf(system, 'efa') ?? [];
  const verbs = devicesOf(system, 'verbs') ?? [];
  const findings = [
    ...verbs.flatMap((device) => portsOf(system, device)),
    ...(verbs.length > 0 && fabric.addon ? verbsUse(examination, verbs) : []),
    ...(efa.length > 0 && fabric.addon ? [efaUse(examination, efa)] : []),
    ...unused('cxi', slingshot, fabric.offers),
  ];
  return findings.length > 0 ? findings : [found.ok('no RDMA device; bytes between hosts move by TCP')];
}

function portsOf(system: System, device: string): Finding[] {
  const ports = system.list(`${DEVICES}/${device}/ports`);
  return ports.map((port) => {
    const about = (name: string) => system.read(`${DEVICES}/${device}/ports/${port}/${name}`);
    const layer = about('link_layer') ?? 'unknown link';
    const text = `${device} port ${port}: ${driverOf(system, device) ?? SOFTWARE}, ${layer}, ${about('rate') ?? 'unknown rate'}`;
    // `4: ACTIVE`
    const state = about('state')?.replace(/^\d+: /, '') ?? 'unknown';
    if (state === 'ACTIVE') return found.ok(text);
    const remedy =
      layer === 'InfiniBand'
        ? 'check the cable and the subnet manager (opensm); ibstat shows the port'
        : 'bring its interface up (ip link set DEV up); rdma link show prints its state';
    return found.warning(`${text}; it is ${state}`, remedy);
  });
}

function verbsUse({ system, fabric, settings }: Examination, devices: readonly string[]): Finding[] {
  const names = devices.join(', ');
  if (fabric.providers.includes('verbs')) return [found.ok(`verbs is available on ${names}`)];
  const files = system.list(DEVICE_FILES).filter((name) => name.startsWith('uverbs'));
  const refused = files.filter((name) => !system.mayUse(`${DEVICE_FILES}/${name}`));
  const reason = fabric.unavailable.find(({ provider }) => provider === 'verbs')?.reason ?? 'no reason is known';
  const text = `${names} exists, but verbs is not available: ${reason}`;
  if (files.length === 0) {
    return [
      found.warning(
        `${text}. ${DEVICE_FILES} has no device files`,
        'load ib_uverbs (modprobe ib_uverbs); in a container pass the files in (docker run --device /dev/infiniband, ' +
          'Kubernetes: the device plugin of your vendor)',
      ),
    ];
  }
  if (refused.length > 0) {
    return [
      found.warning(
        `${text}. This process has no access to ${refused.join(', ')}`,
        `give the user of the agent access to ${DEVICE_FILES} (a group and a udev rule)`,
      ),
    ];
  }
  if (!system.exists(CONNECTION_MANAGER)) {
    return [
      found.warning(`${text}. There is no ${CONNECTION_MANAGER}`, 'load rdma_ucm (modprobe rdma_ucm), and pass it in'),
    ];
  }
  if (!fabric.offers.some(({ provider, domains }) => provider.startsWith('verbs') && domains.length > 0)) {
    return [
      found.warning(
        `${text}. libfabric's verbs provider finds no device`,
        "install the card's user-space driver (Debian: ibverbs-providers) and a libfabric built with verbs; fi_info -p verbs shows it",
      ),
    ];
  }
  const interfaces = devices.flatMap((device) => interfacesOf(system, device));
  const addresses = system.addresses.filter((address) => interfaces.includes(address.interface));
  const choice = addresses.map((address) => `${address.address} (${address.interface})`).join(' or ');
  return [
    found.warning(
      `${text}. The bind address is ${settings.bindAddress}`,
      `set --bind-address to an address of the device${choice === '' ? '' : `: ${choice}`}`,
    ),
  ];
}

/** A software device has no link to hardware, so its ports name the interfaces. */
function interfacesOf(system: System, device: string): readonly string[] {
  const directory = `${DEVICES}/${device}`;
  const ports = system.list(`${directory}/ports`).map((port) => `${directory}/ports/${port}/gid_attrs/ndevs`);
  const named = ports.flatMap((port) => system.list(port).map((entry) => system.read(`${port}/${entry}`) ?? ''));
  return [...system.list(`${directory}/device/net`), ...new Set(named)];
}

function efaUse({ fabric }: Examination, devices: readonly string[]): Finding {
  const names = devices.join(', ');
  if (fabric.providers.includes('efa')) return found.ok(`efa is available on ${names}`);
  const reason = fabric.unavailable.find(({ provider }) => provider === 'efa')?.reason ?? 'no reason is known';
  return found.warning(
    `${names} exists, but efa is not available: ${reason}`,
    "install AWS's EFA software with its libfabric; fi_info -p efa shows the device. In a container pass /dev/infiniband in",
  );
}

function unused(name: string, devices: readonly string[], offers: Examination['fabric']['offers']): Finding[] {
  if (devices.length === 0) return [];
  const isOffered = offers.some(({ provider, domains }) => provider.startsWith(name) && domains.length > 0);
  const libfabric = isOffered ? `libfabric offers ${name}` : `libfabric does not offer ${name} here`;
  return [found.note(`${devices.join(', ')} exists; ${libfabric}. kvferry has no ${name} provider yet and uses TCP`)];
}

function driverOf(system: System, device: string): string | undefined {
  return system.linked(`${DEVICES}/${device}/device/driver`);
}
