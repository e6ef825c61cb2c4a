/** Addresses that stand for all addresses of a host. */

/** `0.0.0.0`, `::` and their other spellings: a program can listen there, and a peer cannot use it as an address. */
export function isWildcard(address: string): boolean {
  return /^[0.:[\]]+$/.test(address);
}
