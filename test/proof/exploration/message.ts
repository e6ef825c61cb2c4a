/** What agents say to each other, and how a trace calls it. */
import type { TransferPart } from '../../../machines/allocation.js';
import type { Allocation } from '../../../src/protocol/allocation.js';
import type { ErrorCode } from '../../../src/protocol/errors.js';
import type { End } from '../../../src/protocol/subjects.js';
import type { StoreEffect } from '../../../src/store/messages.js';
import { requestOf } from './configuration.js';

type HandedOver = Extract<StoreEffect, { type: 'handed.over' }>;

/** What is asked, and sent again until it is answered. `sender` is the number of the sender it is from, or to (hand-over). */
export type Call =
  | {
      readonly op: 'allocate';
      readonly sender: number;
      readonly batch: number;
      readonly grant: string;
      /** The remote key was revoked: it asks for the second time. */
      readonly again: boolean;
    }
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

export function wordsOf(message: Message): string {
  switch (message.kind) {
    case 'call':
      return wordsOfCall(message.call);
    case 'reply':
      return `the answer to ${wordsOfCall(message.call)} (${message.answer.end ?? message.answer.code})`;
    case 'joined':
      return `joined ${requestOf(message.sender).request}/${message.batch}`;
    case 'ended':
      return `ended ${requestOf(message.sender).request} ${message.end}`;
  }
}

export function wordsOfCall(call: Call): string {
  const { request } = requestOf(call.sender);
  switch (call.op) {
    case 'allocate':
      return `allocate ${request}/${call.batch}${call.again ? ' again' : ''}`;
    case 'commit':
      return `commit ${request}/${call.batch} part ${call.part.part}`;
    case 'handover':
      return `handover ${request}/${call.effect.batch} part ${call.effect.part}`;
    case 'abort':
    case 'drained':
      return `${call.op} ${request}`;
  }
}
