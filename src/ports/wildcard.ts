/** Addresses that stand for all addresses of a host. */

/**
 * `0.0.0.0`, `::`, `*`, `0x0`, `::ffff:0.0.0.0` and their other spellings: a program can listen there, and a peer cannot use it
 * as an address.
 */
export function isWildcard(address: string): boolean {
  const text = address.replace(/^\[|\]$/g, '').toLowerCase();
  return text === '*' || /^(0x)?0*(\.(0x)?0*){0,3}$/.test(text) || /^[0:]+(ffff:)?(0+(\.0+){0,3}|[0:]+)?$/.test(text);
}
