/** One situation of the whole: two senders, one receiver, the messages and bytes between them. Never changed, only replaced. */
import type { SnapshotFrom } from 'xstate';
import type { TransferPart } from '../../../machines/allocation.js';
import type { ingestMachine } from '../../../machines/ingest.js';
import type { requestMachine } from '../../../machines/request.js';
import type { transferMachine } from '../../../machines/transfer.js';
import type { Budget } from './configuration.js';
import type { Call, Message } from './message.js';
import type { StoreNode } from './store-log.js';

export type RequestSnapshot = SnapshotFrom<typeof requestMachine>;
export type TransferSnapshot = SnapshotFrom<typeof transferMachine>;
export type IngestSnapshot = SnapshotFrom<typeof ingestMachine>;

export interface Sender {
  /** Null when it has crashed. */
  readonly request: RequestSnapshot | null;
  readonly transfers: Readonly<Record<number, TransferSnapshot>>;
  /** The number of its remote key: a new one for each connection. */
  readonly connection: number;
  /** Parts that were handed over and taken: repeated ones are recognised. */
  readonly taken: readonly string[];
  /** It must get a new remote key, so that the old one is revoked. */
  readonly reconnects: boolean;
  /** Batches it asks for again when it has one. */
  readonly again: readonly number[];
}

/** Bytes on their way, or there: one write of one part. */
export interface Write {
  readonly from: number;
  readonly batch: number;
  readonly part: TransferPart;
  readonly grant: string;
  /** Which of its placements have landed. */
  readonly landed: readonly boolean[];
  /** Its sender was told how it ended: whatever lands now comes late. */
  readonly reported: boolean;
  /** Nothing more lands. */
  readonly over: boolean;
}

/** What lies in a page to which nothing has been written since it was given out. */
export const NO_BYTES = 'nothing';

export interface State {
  readonly store: StoreNode;
  readonly senders: readonly Sender[];
  readonly ingests: readonly (IngestSnapshot | null)[];
  /** The receiver has declared that sender dead. */
  readonly lost: readonly boolean[];
  readonly messages: readonly Message[];
  /** Calls that were lost, or whose answer was: to be sent again. */
  readonly unanswered: readonly Call[];
  /** Senders to whom a notice was lost: they ask. */
  readonly unnoticed: readonly number[];
  /** Allocations that wait for an answer: `<sender> <batch> <grant> <again>`. */
  readonly pending: readonly string[];
  readonly writes: readonly Write[];
  /** The key whose bytes lie in each page, or what else is there. */
  readonly arena: readonly string[];
  /** What was announced about each request, by whom. */
  readonly announced: readonly (readonly string[])[];
  /** Something has gone wrong with that sender or its request. */
  readonly struck: readonly boolean[];
  /** What may still go wrong. */
  readonly budget: Budget;
  /** What must never happen and did. */
  readonly fault: string | null;
}
