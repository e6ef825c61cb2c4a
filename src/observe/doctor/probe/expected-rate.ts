/** What a probe's rate is held against. */
import { boundInterface, linkSpeedMbps } from '../bound-interface.js';
import type { System } from '../system.js';

/** How fast this machine is without kvferry, in GB/s. */
export interface Baselines {
  /** One thread, in the directory of the arenas. */
  memcpy(bytes: number, pageBytes: number): Promise<number>;
  /** One stream over loopback. */
  tcpStream(bytes: number): Promise<number>;
}

export interface ExpectedRate {
  readonly gbps: number;
  /** What it is, for people. */
  readonly what: string;
}

export interface ProbedWay {
  readonly provider: string;
  readonly bytes: number;
  readonly pageBytes: number;
  readonly isReceiverHere: boolean;
  readonly bindAddress: string;
}

const MBPS_PER_GBPS = 8000;
const GBITS_PER_GBPS = 8;
/** Below it a measurement is mostly its own start. */
const BASELINE_BYTES_MIN = 16 * 1024 ** 2;
/** The fastest counts, as of the probe. */
const BASELINE_ROUNDS = 3;
const DEVICES = '/sys/class/infiniband';

/** Rejects as the baselines do. Undefined when nothing is known of that way. */
export async function expectedRate(
  way: ProbedWay,
  system: System,
  baselines: Baselines,
): Promise<ExpectedRate | undefined> {
  const bytes = Math.max(BASELINE_BYTES_MIN, way.bytes);
  if (way.provider === 'same-host') {
    return {
      gbps: await best(() => baselines.memcpy(bytes, way.pageBytes)),
      what: 'one thread that copies memory here',
    };
  }
  if (way.provider === 'verbs') {
    const gbits = fastestPort(system);
    return gbits === undefined ? undefined : { gbps: gbits / GBITS_PER_GBPS, what: 'the rate of the RDMA port' };
  }
  if (way.isReceiverHere) {
    return { gbps: await best(() => baselines.tcpStream(bytes)), what: 'one TCP stream within this host' };
  }
  const bound = await boundInterface(system, way.bindAddress);
  const speedMbps = linkSpeedMbps(system, bound);
  return speedMbps === undefined ? undefined : { gbps: speedMbps / MBPS_PER_GBPS, what: `the speed of ${bound}` };
}

async function best(measure: () => Promise<number>): Promise<number> {
  let highest = 0;
  for (let round = 0; round < BASELINE_ROUNDS; round += 1) highest = Math.max(highest, await measure());
  return highest;
}

/** Of `100 Gb/sec (4X EDR)` the number. */
function fastestPort(system: System): number | undefined {
  const rates = system
    .list(DEVICES)
    .flatMap((device) => system.list(`${DEVICES}/${device}/ports`).map((port) => `${DEVICES}/${device}/ports/${port}`))
    .map((port) => Number.parseFloat(system.read(`${port}/rate`) ?? ''))
    .filter((rate) => rate > 0);
  return rates.length === 0 ? undefined : Math.max(...rates);
}
