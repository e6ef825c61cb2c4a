/** The state of the whole system: the senders, the receiver, and the messages and bytes between them. It is immutable. */
import type { SnapshotFrom } from 'xstate';
import type { TransferPart } from '../../../machines/allocation.js';
import type { ingestMachine } from '../../../machines/ingest.js';
import type { requestMachine } from '../../../machines/request.js';
import type { transferMachine } from '../../../machines/transfer.js';
import type { Budget } from './faults.js';
import type { Call, HandOverCall, Message, OwedCall } from './message.js';
import type { StoreNode } from './store-log.js';

export type RequestSnapshot = SnapshotFrom<typeof requestMachine>;
export type TransferSnapshot = SnapshotFrom<typeof transferMachine>;
export type IngestSnapshot = SnapshotFrom<typeof ingestMachine>;

export interface Sender {
  /** Null after a crash of the sender. */
  readonly request: RequestSnapshot | null;
  readonly transfers: Readonly<Record<number, TransferSnapshot>>;
  /** Number of the connection. Each connection has its own remote key. */
  readonly connection: number;
  /** For each part that was handed over: the remote key under which the sender took it, or the code of its refusal. */
  readonly parts: Readonly<Record<string, string>>;
  /** Hand-overs of parts that wait to be written. They are answered when the write begins. */
  readonly offers: readonly HandOverCall[];
  /** The sender must connect again and get a new remote key, so that the receiver revokes the old one. */
  readonly reconnects: boolean;
  /** Batches whose `allocate` the sender repeats under its new remote key. */
  readonly again: readonly number[];
  /** Remote keys of writes that might still land when their transfers ended. */
  readonly undrained: readonly string[];
  /** The sender has declared the receiver dead. */
  readonly gaveUp: boolean;
  /** The sender has a proof that the receiver is dead. */
  readonly proof: boolean;
  /** For each batch, how often its present `allocate` or `commit` was sent without an answer. */
  readonly asked: Readonly<Record<number, number>>;
}

/** A write of one part of a batch, until no more of its bytes can land. */
export interface Write {
  readonly sender: number;
  readonly batch: number;
  readonly part: TransferPart;
  readonly grant: string;
  /** The fabric has reported to the sender that the write broke off, or the sender is dead: bytes that land now are late. */
  readonly reported: boolean;
  /** The remote key was revoked while the write was in progress: no more bytes can land. The fabric will report that. */
  readonly over: boolean;
}

/** Content of a page without a write since its allocation. */
export const NO_BYTES = 'nothing';

export interface State {
  readonly store: StoreNode;
  readonly senders: readonly Sender[];
  readonly ingests: readonly (IngestSnapshot | null)[];
  /** The receiver has declared that sender dead. */
  readonly lost: readonly boolean[];
  /** The request came when its sender had been declared dead. So the receiver does not watch that sender. */
  readonly unwatched: readonly boolean[];
  readonly receiverDied: boolean;
  readonly messages: readonly Message[];
  /** Calls to send again, because the call or its answer was lost. */
  readonly unanswered: readonly Call[];
  /** Senders that lost a notice. They ask the receiver instead. */
  readonly unnoticed: readonly number[];
  /** Calls that the receiver answers later. */
  readonly pending: readonly OwedCall[];
  readonly writes: readonly Write[];
  /** Remote keys that are revoked in the fabric. The store does not know it yet. */
  readonly revoked: readonly string[];
  /** For each page, the key whose bytes it has, or another description of its content. */
  readonly arena: readonly string[];
  /** The announcements of each request, with the side that announced. */
  readonly announced: readonly (readonly string[])[];
  /** True if a fault has struck that sender or its request. */
  readonly struck: readonly boolean[];
  /** The faults that may still happen. */
  readonly budget: Budget;
  /** The first violation during a step, or null. */
  readonly fault: string | null;
}
