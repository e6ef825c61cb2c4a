/** Everything that the store knows, as plain data that shares nothing with the store. For checks, drawings and explanations. */
import type { Allocation } from '../protocol/allocation.js';
import { defined } from '../protocol/defined.js';
import type { PageDescription } from './page-table.js';
import type { QuarantinedPage } from './quarantine.js';
import type { Entry, Holder } from './records.js';
import type { StoreState } from './state.js';
import type { TombstoneDescription } from './tombstones.js';

export interface StoreDescription {
  /** One for each page, by number. */
  readonly pages: readonly PageDescription[];
  /** Free pages. The store takes the last one first. */
  readonly free: readonly number[];
  readonly entries: readonly EntryDescription[];
  readonly holders: readonly HolderDescription[];
  /** Names of the requests that wait for admission, in order. */
  readonly queue: readonly string[];
  readonly quarantine: readonly QuarantinedPage[];
  /** Valid remote keys. */
  readonly grants: readonly string[];
  /** Remembered ends, oldest first. */
  readonly tombstones: readonly TombstoneDescription[];
}

/** One key in the arena. Holders have names as `nameOf` makes them: `<epoch>/<request>`. */
export interface EntryDescription {
  readonly key: string;
  /** Bytes. */
  readonly length: number;
  readonly ready: boolean;
  /** No holder leases the entry: it is cache until its page is needed. */
  readonly retained: boolean;
  /** Null while the entry has no writer. */
  readonly place: {
    readonly page: number;
    readonly generation: number;
    readonly writer: string;
    /** The remote key under which the writer writes, or wrote. */
    readonly grant: string;
  } | null;
  readonly holders: readonly string[];
  /** `declined`: the remote key under which the request does not take over. */
  readonly joiners: readonly { readonly holder: string; readonly batch: number; readonly declined?: string }[];
}

export interface HolderDescription {
  readonly name: string;
  readonly state: Holder['state'];
  readonly totalChunks: number;
  readonly admitted: boolean;
  /** A rank whose turn has not come. */
  readonly held: boolean;
  readonly refused: boolean;
  /** Pages promised to the request that none of its batches has asked for yet. */
  readonly reserved: number;
  readonly batches: readonly {
    readonly batch: number;
    readonly last: boolean;
    readonly keys: readonly string[];
    /** The remote key to which the pages of the allocation are bound. Null while the batch waits. */
    readonly grant: string | null;
    /** Null while the batch waits. */
    readonly allocation: Allocation | null;
    /** For each part, the allocation first and then the hand-overs: whether it is committed. */
    readonly committed: readonly boolean[];
  }[];
  /** Keys that the holder leases. */
  readonly leases: readonly string[];
  readonly drained: boolean;
  readonly expiresAtMs: number;
}

/** Takes time in proportion to the size of the arena. */
export function describe(state: StoreState): StoreDescription {
  const { contents, holders } = state;
  return {
    ...state.pages.describe(),
    entries: [...contents.values()].map((entry) => describeEntry(entry, contents.isRetained(entry))),
    holders: [...holders.values()].map(describeHolder),
    queue: state.admission.inOrder().map(({ name }) => name),
    quarantine: state.quarantine.describe(),
    grants: state.grants.names(),
    tombstones: state.tombstones.describe(),
  };
}

function describeEntry({ key, length, ready, place, holders, joiners }: Entry, retained: boolean): EntryDescription {
  return {
    key,
    length,
    ready,
    retained,
    place: place === null ? null : { ...place, writer: place.writer.name },
    holders: [...holders].map(({ name }) => name),
    joiners: [...(joiners ?? [])].map(({ holder, batch, declined }) =>
      defined({ holder: holder.name, batch, declined }),
    ),
  };
}

function describeHolder(holder: Holder): HolderDescription {
  const { name, state, totalChunks, admitted, held, reserved, drained, expiresAtMs } = holder;
  return {
    name,
    state,
    totalChunks,
    admitted,
    held,
    reserved,
    drained,
    refused: holder.refused !== undefined,
    batches: [...holder.batches.values()].map(({ command, allocation, grant, parts }) => ({
      batch: command.batch,
      last: command.last,
      keys: command.keys,
      grant,
      allocation,
      committed: parts.map(({ committed }) => committed),
    })),
    leases: [...holder.leases.keys()],
    expiresAtMs,
  };
}
