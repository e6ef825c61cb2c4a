/** The demo over verbs: every byte that its decode agent has is compared with what was sent. */
import { kvferry } from './kvferry.js';
import type { DemoResult, GuestOrder } from './order.js';

/** Small: a byte costs an emulated machine a hundred times as much. */
const SIZE = ['--requests', '8', '--page-bytes', '64KiB', '--arena-pages', '40', '--quiet-bytes', '4MiB'];
const CONTROL_BATCHES = ['--control-batches', '40'];

/** Agents have settings of their own for what is slow: how long a peer may be silent, and how long a connection may take. */
const SLOW = { KVFERRY_HEARTBEAT_MS: '5s', KVFERRY_CONNECT_TIMEOUT_MS: '100s' };

export async function checkDemo({ address }: GuestOrder): Promise<DemoResult> {
  const where = ['--provider', 'verbs', '--bind-address', address];
  const printed = await kvferry(['demo', ...where, ...SIZE, ...CONTROL_BATCHES, '--json'], SLOW);
  const { provider, requests, ready, mismatches, bytesMoved } = JSON.parse(printed) as DemoResult;
  return { provider, requests, ready, mismatches, bytesMoved };
}
