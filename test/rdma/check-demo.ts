/** The demo over verbs: every byte that its decode agent has is compared with what was sent. */
import { kvferry } from './kvferry.js';
import type { DemoResult, GuestOrder } from './order.js';

/** Small: a byte costs an emulated machine a hundred times as much. */
const SIZE = ['--requests', '8', '--page-bytes', '64KiB', '--arena-pages', '40', '--quiet-bytes', '4MiB'];
const CONTROL_BATCHES = ['--control-batches', '40'];

export async function checkDemo({ address }: GuestOrder): Promise<DemoResult> {
  const where = ['--provider', 'verbs', '--bind-address', address];
  const printed = await kvferry(['demo', ...where, ...SIZE, ...CONTROL_BATCHES, '--json']);
  const { provider, requests, ready, mismatches, bytesMoved } = JSON.parse(printed) as DemoResult;
  return { provider, requests, ready, mismatches, bytesMoved };
}
