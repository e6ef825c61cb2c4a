/** Keys as engines make them: 67 bytes each, and no two equal ones in a run. */
const HASH_HEX_DIGITS = 32;

let last = 0n;

export function freshKeys(count: number): string[] {
  return Array.from({ length: count }, () => {
    last += 1n;
    // Spread over all digits, as the digits of a hash are.
    const hash = BigInt.asUintN(HASH_HEX_DIGITS * 4, last * 0x9e3779b97f4a7c15f39cc0605cedc835n);
    return `Qwen2.5-0.5B-Instruct@1@0@${hash.toString(16).padStart(HASH_HEX_DIGITS, '0')}@bfloat16`;
  });
}
