/** The cases of the data suite: size of a chunk, chunks of a batch, batches in flight. */
import type { NotRun } from '../suite-result.js';

const KIB = 1024;
const MIB = 1024 ** 2;

export interface WriteCase {
  readonly chunkBytes: number;
  /** Chunks of a batch, which is handed over as one and completes as one. */
  readonly batch: number;
  /** Batches under way at once. */
  readonly inFlight: number;
  /** Chunks of one round. Each is written once. */
  readonly chunks: number;
}

export interface DataScale {
  readonly chunkBytes: readonly number[];
  readonly batches: readonly number[];
  readonly inFlight: readonly number[];
  /** Bytes of one round, at least those in flight. */
  readonly roundBytes: number;
  /** Size of a source and of an arena. */
  readonly roomBytes: number;
  readonly rounds: number;
  readonly warmUpRounds: number;
}

export const fullData: Omit<DataScale, 'roomBytes'> = {
  chunkBytes: [64 * KIB, 256 * KIB, MIB, 4 * MIB, 32 * MIB],
  batches: [1, 16, 128],
  inFlight: [1, 8],
  roundBytes: 512 * MIB,
  rounds: 5,
  warmUpRounds: 1,
};

/** Smaller rounds with peers, because each fills and compares every byte itself, some of them slowly. */
export const peersData: Omit<DataScale, 'roomBytes'> = { ...fullData, roundBytes: 128 * MIB, rounds: 3 };

export const quickData: Omit<DataScale, 'roomBytes'> = {
  chunkBytes: [64 * KIB, MIB, 32 * MIB],
  batches: [1, 16],
  inFlight: [1, 8],
  roundBytes: 64 * MIB,
  rounds: 3,
  warmUpRounds: 1,
};

/** Chunks in flight must not share memory, so a case that needs more memory is not run. */
export function writeCases(scale: DataScale): { readonly cases: readonly WriteCase[]; readonly notRun: NotRun[] } {
  const { chunkBytes: sizes, batches, inFlight: depths, roundBytes, roomBytes } = scale;
  const all = sizes.flatMap((chunkBytes) =>
    batches.flatMap((batch) =>
      depths.map((inFlight) => {
        const group = batch * inFlight;
        const groups = Math.max(1, Math.floor(roundBytes / (chunkBytes * group)));
        return { chunkBytes, batch, inFlight, chunks: group * groups };
      }),
    ),
  );
  const fits = ({ chunkBytes, chunks }: WriteCase) => chunkBytes * chunks <= roomBytes;
  const notRun = all
    .filter((one) => !fits(one))
    .map(({ chunkBytes, batch, inFlight, chunks }) => ({
      what: `${chunkBytes / KIB} KiB × ${batch} × ${inFlight} in flight`,
      reason: `needs ${(chunkBytes * chunks) / MIB} MiB each for source and arena; this run has ${Math.floor(roomBytes / MIB)} MiB`,
    }));
  return { cases: all.filter(fits), notRun };
}
