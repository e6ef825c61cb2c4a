/** The demo over verbs: every byte that its decode agent has is compared with what was sent. */
import { kvferry } from './kvferry.js';
import type { DemoResult, GuestOrder } from './order.js';

/** Small, and without a measurement of the rate: a byte costs an emulated machine a hundred times as much. */
const SIZE = ['--requests', '8', '--page-bytes', '64KiB', '--arena-pages', '40', '--quiet-bytes', '0'];

/**
 * Agents have settings of their own for what is slow. While several programs start in an emulated machine, the event loop of an
 * agent has stood still for 35 s. Such an agent is not dead, and a message that it has not answered is not lost.
 */
const SLOW = {
  KVFERRY_NATS_CONNECT_TIMEOUT_MS: '300s',
  KVFERRY_HEARTBEAT_MS: '60s',
  KVFERRY_CONNECT_TIMEOUT_MS: '200s',
  KVFERRY_ATTEMPT_TIMEOUT_MS: '40s',
  KVFERRY_INQUIRE_INTERVAL_MS: '40s',
  KVFERRY_LEASE_MS: '600s',
};

export async function checkDemo({ address }: GuestOrder): Promise<DemoResult> {
  const where = ['--provider', 'verbs', '--bind-address', address];
  const printed = await kvferry(['demo', ...where, ...SIZE, '--json'], SLOW);
  const { provider, requests, ready, mismatches, bytesMoved } = JSON.parse(printed) as DemoResult;
  return { provider, requests, ready, mismatches, bytesMoved };
}
