/** `kvferry doctor` with the device: it must find it, and verbs on it. */
import type { Finding } from '../../src/observe/doctor/finding.js';
import { kvferry } from './kvferry.js';
import type { GuestOrder, GuestResult } from './order.js';

export async function checkDoctor({ address }: GuestOrder): Promise<NonNullable<GuestResult['doctor']>> {
  // It exits with 1, because the guest has no NATS server here.
  const printed = await kvferry(['doctor', '--provider', 'verbs', '--bind-address', address, '--json']);
  const all = JSON.parse(printed) as Finding[];
  const about = all.filter(({ check, finding }) => check === 'rdma' || finding.includes('verbs'));
  const passed = about.length > 0 && about.every(({ severity }) => severity === 'ok' || severity === 'note');
  return { passed, findings: about.map(({ severity, finding }) => `${severity}: ${finding}`) };
}
