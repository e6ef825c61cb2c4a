/** The messages between agents, and their names in a trace. */
import type { TransferPart } from '../../../machines/allocation.js';
import type { Allocation } from '../../../src/protocol/allocation.js';
import type { ErrorCode } from '../../../src/protocol/errors.js';
import type { End } from '../../../src/protocol/subjects.js';
import type { StoreEffect } from '../../../src/store/messages.js';
import { requestOf } from './configuration.js';

export interface HandOverCall {
  readonly op: 'handover';
  readonly sender: number;
  readonly effect: Extract<StoreEffect, { type: 'handed.over' }>;
}

export interface AllocateCall {
  readonly op: 'allocate';
  readonly sender: number;
  readonly batch: number;
  readonly grant: string;
}

export interface AbortCall {
  readonly op: 'abort';
  readonly sender: number;
  readonly end: Exclude<End, 'ready'>;
}

/** A call whose answer may have to wait. */
export type OwedCall = AllocateCall | AbortCall;

/** A call of the receiver. */
export type CallToSender = HandOverCall | { readonly op: 'confirm'; readonly sender: number };
export type CallOfSender = Exclude<Call, CallToSender>;

/** A call, which is repeated until it is answered. `sender` is the number of its sender, or for a hand-over of its receiver. */
export type Call =
  | AllocateCall
  | { readonly op: 'commit'; readonly sender: number; readonly batch: number; readonly part: TransferPart }
  | AbortCall
  | { readonly op: 'drained'; readonly sender: number }
  | CallToSender;

/** The pages of a batch, and the remote key under which they may be written. */
export interface Granted extends Allocation {
  readonly grant: string;
}

/**
 * An answer to a call. It has `end` if the request has ended. The answer to an `allocate` has `allocation`, unless the batch
 * waits for pages.
 */
export interface Answer {
  readonly code: ErrorCode | 'ok';
  readonly end?: End;
  readonly allocation?: Granted;
}

/** A message in flight: a call, an answer to a call, or a notice to a sender. */
export type Message =
  | { readonly kind: 'call'; readonly call: Call }
  | { readonly kind: 'reply'; readonly call: Call; readonly answer: Answer }
  | { readonly kind: 'allocated'; readonly sender: number; readonly batch: number; readonly allocation: Granted }
  | { readonly kind: 'joined'; readonly sender: number; readonly batch: number }
  | { readonly kind: 'ended'; readonly sender: number; readonly end: End };

export function wordsOf(message: Message): string {
  switch (message.kind) {
    case 'call':
      return wordsOfCall(message.call);
    case 'reply':
      return `the answer to ${wordsOfCall(message.call)} (${message.answer.end ?? message.answer.code})`;
    case 'allocated':
    case 'joined':
      return `${message.kind} ${requestOf(message.sender).request}/${message.batch}`;
    case 'ended':
      return `ended ${requestOf(message.sender).request} ${message.end}`;
  }
}

export function wordsOfCall(call: Call): string {
  const { request } = requestOf(call.sender);
  switch (call.op) {
    case 'allocate':
      return `allocate ${request}/${call.batch}`;
    case 'commit':
      return `commit ${request}/${call.batch} part ${call.part.part}`;
    case 'handover':
      return `handover ${request}/${call.effect.batch} part ${call.effect.part}`;
    case 'abort':
    case 'confirm':
    case 'drained':
      return `${call.op} ${request}`;
  }
}
