/** The largest TCP window. The rate of a stream is its window divided by the round trip. */
import { roundBytes } from '../../../figures/units.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('network', 'tcp-buffers');
const OVER_TCP = ['tcp', 'libfabric-tcp', 'net'];
/** The kernel's default for sending: 10 Gb/s at a round trip of 3 ms. */
const BYTES_WANTED = 4 * 1024 ** 2;

export function checkTcpBuffers({ system, settings }: Examination): Finding[] {
  if (!settings.provider.some((provider) => OVER_TCP.includes(provider))) return [];
  const read = maximum(system.read('/proc/sys/net/ipv4/tcp_rmem'));
  const written = maximum(system.read('/proc/sys/net/ipv4/tcp_wmem'));
  if (read === undefined || written === undefined) return [found.note("TCP's buffer sizes cannot be read")];
  const control = system.read('/proc/sys/net/ipv4/tcp_congestion_control');
  const text =
    `TCP buffers grow to ${roundBytes(read)} to receive and ${roundBytes(written)} to send` +
    (control === undefined ? '' : `, congestion control ${control}`);
  if (Math.min(read, written) >= BYTES_WANTED) return [found.ok(text)];
  return [
    found.warning(
      text,
      `sysctl -w net.ipv4.tcp_rmem="4096 131072 ${4 * BYTES_WANTED}" net.ipv4.tcp_wmem="4096 65536 ${4 * BYTES_WANTED}"`,
    ),
  ];
}

/** The last number of a line such as `4096 131072 6291456`. */
function maximum(triple: string | undefined): number | undefined {
  const bytes = Number(triple?.split(/\s+/)[2]);
  return bytes > 0 ? bytes : undefined;
}
