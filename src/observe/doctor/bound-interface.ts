/** The network interface that an address belongs to. */
import type { System } from './system.js';

/** Its name; `unresolved` when the host name has no address, `foreign` when no interface here has that address. */
export async function boundInterface(system: System, address: string): Promise<string | 'unresolved' | 'foreign'> {
  const resolved = await system.resolve(address);
  if (resolved.length === 0) return 'unresolved';
  return system.addresses.find((each) => resolved.includes(each.address))?.interface ?? 'foreign';
}

export function isLoopback(system: System, name: string): boolean {
  return system.addresses.some((address) => address.interface === name && address.isInternal);
}

/** Undefined for interfaces that have none: loopback, bridges, most virtual ones. */
export function linkSpeedMbps(system: System, name: string): number | undefined {
  const speed = Number(system.read(`/sys/class/net/${name}/speed`));
  return speed > 0 ? speed : undefined;
}
