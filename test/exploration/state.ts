/** One situation of the whole: two senders, one receiver, the messages and bytes between them. Never changed, only replaced. */
import type { SnapshotFrom } from 'xstate';
import type { ingestMachine } from '../../machines/ingest.js';
import type { requestMachine } from '../../machines/request.js';
import type { Allocation, TransferPart, transferMachine } from '../../machines/transfer.js';
import type { ErrorCode } from '../../src/protocol/errors.js';
import type { End } from '../../src/protocol/subjects.js';
import type { StoreEffect } from '../../src/store/commands.js';
import type { StoreNode } from './store-log.js';

export type RequestSnapshot = SnapshotFrom<typeof requestMachine>;
export type TransferSnapshot = SnapshotFrom<typeof transferMachine>;
export type IngestSnapshot = SnapshotFrom<typeof ingestMachine>;

export type HandedOver = Extract<StoreEffect, { type: 'handed.over' }>;

/** What is asked, and sent again until it is answered. `sender` is the number of the sender it is from, or to (hand-over). */
export type Call =
  | { readonly op: 'allocate'; readonly sender: number; readonly batch: number; readonly grant: string }
  | { readonly op: 'commit'; readonly sender: number; readonly batch: number; readonly part: TransferPart }
  | { readonly op: 'abort'; readonly sender: number; readonly end: Exclude<End, 'ready'> }
  | { readonly op: 'drained'; readonly sender: number }
  | { readonly op: 'handover'; readonly sender: number; readonly effect: HandedOver };

/** What was answered: `end` when the request has ended, `allocation` to an allocate. */
export interface Answer {
  readonly code: ErrorCode | 'ok';
  readonly end?: End;
  readonly allocation?: Allocation;
}

/** What is on its way: calls, answers to them, and notices to a sender. */
export type Message =
  | { readonly kind: 'call'; readonly call: Call }
  | { readonly kind: 'reply'; readonly call: Call; readonly answer: Answer }
  | { readonly kind: 'joined'; readonly sender: number; readonly batch: number }
  | { readonly kind: 'ended'; readonly sender: number; readonly end: End };

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

/** What may still go wrong. */
export interface Budget {
  readonly loss: number;
  readonly duplicate: number;
  readonly crash: number;
  readonly cancel: number;
  readonly timeout: number;
  readonly fabric: number;
}

export interface State {
  readonly store: StoreNode;
  readonly senders: readonly Sender[];
  readonly ingests: readonly (IngestSnapshot | null)[];
  /** The receiver holds that sender for lost. */
  readonly lost: readonly boolean[];
  readonly messages: readonly Message[];
  /** Calls that were lost, or whose answer was: to be sent again. */
  readonly unanswered: readonly Call[];
  /** Senders to whom a notice was lost: they ask. */
  readonly unnoticed: readonly number[];
  /** Allocations that wait for an answer: `<sender> <batch> <grant>`. */
  readonly pending: readonly string[];
  readonly writes: readonly Write[];
  /** What lies in each page: `<key> of <sender>`. */
  readonly arena: readonly string[];
  /** What was announced about each request, by whom. */
  readonly announced: readonly (readonly string[])[];
  readonly budget: Budget;
  /** What must never happen and did. */
  readonly fault: string | null;
}

/** What is explored: who puts what. */
export interface Configuration {
  readonly name: string;
  readonly pages: number;
  /** For each sender, the keys of its batches. */
  readonly batches: readonly (readonly (readonly string[])[])[];
  readonly budget: Budget;
}

export const requestOf = (sender: number) => ({ request: `r${sender}`, epoch: `e${sender}` });
export const grantOf = (sender: number, connection: number) => `g${sender}-${connection}`;
