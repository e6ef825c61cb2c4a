/**
 * The seeds of the fuzzers and what they draw. A test tries a few fixed seeds. With `KVFERRY_FUZZ_SECONDS`, which `.ci/run` sets,
 * it tries new ones for as long; a failure has its seed in the message, and `KVFERRY_SEED` tries that one alone.
 */
import { env } from 'node:process';
import { Random } from '../../../src/figures/random.js';
import { patient } from '../../../src/processes/patience.js';

const FIXED_SEEDS = 3;
const MILLISECONDS = 1000;
const ONE_SEED = env['KVFERRY_SEED'];
const SECONDS = Number(env['KVFERRY_FUZZ_SECONDS'] ?? 0);
/** For a test to end. */
export const PATIENCE_MS = patient((SECONDS + 60) * MILLISECONDS);

export function* seeds(): Generator<number> {
  if (ONE_SEED !== undefined) {
    yield Number(ONE_SEED);
    return;
  }
  if (SECONDS === 0) {
    for (let seed = 1; seed <= FIXED_SEEDS; seed += 1) yield seed;
    return;
  }
  const end = Date.now() + SECONDS * MILLISECONDS;
  for (let seed = Date.now() % 2 ** 31; Date.now() < end; seed += 1) yield seed;
}

/** Sizes and offsets at which arithmetic goes wrong, for an arena of that size. */
function edges(bytes: bigint): readonly bigint[] {
  const ones = [0n, 1n, 63n, 64n, 4095n, 4096n, bytes - 1n, bytes, bytes + 1n];
  const powers = [8n, 20n, 31n, 32n, 47n, 53n, 63n, 64n].flatMap((power) => [2n ** power - 1n, 2n ** power]);
  const ends = [1n, 4096n, bytes].map((size) => 2n ** 64n - size);
  return [...ones, ...powers, ...ends].map((value) => value % 2n ** 64n);
}

export class Chance extends Random {
  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.integer(0, 255)));
  }

  /** A number of 64 bits, mostly at an edge. */
  wide(arenaBytes: number): bigint {
    return this.chance(0.8) ? this.pick(edges(BigInt(arenaBytes))) : this.bytes(8).readBigUInt64LE();
  }

  /** The same bytes, some of them changed, or fewer. */
  damaged(bytes: Buffer): Buffer {
    const copy = Buffer.from(bytes.subarray(0, this.chance(0.3) ? this.integer(0, bytes.length) : bytes.length));
    for (let left = this.integer(0, 3); left > 0 && copy.length > 0; left -= 1) {
      copy[this.integer(0, copy.length - 1)] = this.integer(0, 255);
    }
    return copy;
  }
}
