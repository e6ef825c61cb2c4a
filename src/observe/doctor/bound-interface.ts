/** The network interface of an address. */
import { isLoopbackAddress } from './networks.js';
import type { System } from './system.js';

/** The name of the interface; `unresolved` when the host name has no address; `foreign` when no interface has the address. */
export async function boundInterface(system: System, address: string): Promise<string | 'unresolved' | 'foreign'> {
  const resolved = await system.resolve(address);
  if (resolved.length === 0) return 'unresolved';
  const own = system.addresses.find(({ address }) => resolved.includes(address));
  if (own !== undefined) return own.interface;
  // Linux has all of 127.0.0.0/8 on its loopback interface, and lists one address.
  const isLoopback = resolved.every(isLoopbackAddress);
  return (isLoopback ? system.addresses.find(({ isInternal }) => isInternal)?.interface : undefined) ?? 'foreign';
}

export function isLoopback(system: System, name: string): boolean {
  return system.addresses.some((address) => address.interface === name && address.isInternal);
}

/** Undefined for interfaces without a speed: loopback, bridges and most virtual interfaces. */
export function linkSpeedMbps(system: System, name: string): number | undefined {
  const speed = Number(system.read(`/sys/class/net/${name}/speed`));
  return speed > 0 ? speed : undefined;
}
