/** The commands of the store, the replies to them, and the effects that its owner must carry out. Plain data. */
import type { Allocation } from '../protocol/allocation.js';
import type { Failure } from '../protocol/fields.js';
import type { End } from '../protocol/subjects.js';
import type { HolderId } from './holder.js';

export type StoreCommand =
  /** A remote key, made for that epoch of a sender, is valid from now on. */
  | { readonly type: 'grant'; readonly grant: string; readonly epoch: string }
  /** A remote key has been revoked: no write under it can land any more. Only then may the owner report it. */
  | { readonly type: 'fence'; readonly grant: string }
  | {
      readonly type: 'allocate';
      readonly holder: HolderId;
      /**
       * The remote key that the sender has: valid when the batch comes for the first time. It binds no page (see `allocated`),
       * so a repeated message may name any other. Pages whose key is revoked are bound to this one then, if it is valid.
       */
      readonly grant: string;
      readonly batch: number;
      readonly last: boolean;
      readonly totalChunks: number;
      readonly keys: readonly string[];
      /** Bytes of each chunk. */
      readonly lengths: readonly number[];
      /** The request is one rank of several: it waits for its turn, outside the queue. */
      readonly held?: boolean;
    }
  /** It is the turn of these ranks of one request: they enter the queue, and are admitted together. */
  | { readonly type: 'admit'; readonly holders: readonly HolderId[] }
  | {
      readonly type: 'commit';
      readonly holder: HolderId;
      readonly batch: number;
      /** 0: the pages of the allocation. Others: the pages of the hand-over with that number. */
      readonly part: number;
      readonly pages: readonly number[];
      readonly generations: readonly number[];
      readonly lengths: readonly number[];
    }
  /** The sender does not write a hand-over, or does not say that it does. */
  | {
      readonly type: 'decline';
      readonly holder: HolderId;
      readonly batch: number;
      readonly part: number;
      /** `never`: the sender has proven that it has not taken the part and never will. `unknown`: a write may be under way. */
      readonly taken: 'never' | 'unknown';
    }
  /** The request has ended. Unless `end` is `ready`, the store takes back everything that the request holds. */
  | { readonly type: 'end'; readonly holder: HolderId; readonly end: End; readonly reason: Failure | undefined }
  /** No write of that request can land any more. */
  | { readonly type: 'drained'; readonly holder: HolderId }
  /**
   * Lookup and lease in one step: of `keys` or of the holder's own keys those from number `from` on, at most `limit`, and only
   * as many as fit into an answer of `bytesMax` bytes.
   */
  | {
      readonly type: 'acquire';
      readonly holder: HolderId;
      readonly keys: readonly string[] | undefined;
      readonly from?: number;
      readonly limit?: number;
      readonly bytesMax?: number;
    }
  | { readonly type: 'release'; readonly holder: HolderId; readonly keys: readonly string[] | undefined }
  /** Drops leases and tombstones whose time is over. */
  | { readonly type: 'expire' }
  /** Goes on with what earlier commands have left. The owner sends it in a later turn while the store is `unsettled`. */
  | { readonly type: 'settle' };

export type CommandOf<T extends StoreCommand['type']> = Extract<StoreCommand, { type: T }>;

/** One leased page in the reply to `acquire`. */
export interface AcquiredPage {
  readonly key: string;
  readonly page: number;
  readonly generation: number;
  /** Bytes. */
  readonly length: number;
}

/** The replies. A command that is not listed has none. */
export interface StoreReplies {
  readonly acquire: {
    readonly found: readonly AcquiredPage[];
    readonly missing: readonly string[];
    /** The `from` of the next `acquire`, when there are more keys. */
    readonly next?: number;
  };
  readonly release: { readonly existed: number; readonly freedPages: number };
}

export type ReplyOf<T extends StoreCommand['type']> = T extends keyof StoreReplies ? StoreReplies[T] : undefined;

export type StoreEffect =
  /** The answer to a batch. `bytes`: what the sender will write. */
  | {
      readonly type: 'allocated';
      readonly holder: HolderId;
      readonly batch: number;
      readonly last: boolean;
      /** The remote key to which the pages are bound: the sender writes them under this key and no other. */
      readonly grant: string;
      readonly allocation: Allocation;
      readonly bytes: number;
      /** False when this answers a repeated message: the store has changed nothing. */
      readonly first: boolean;
    }
  /**
   * The batch waits: its request needs `charge` new pages before it is admitted, or its sender has no valid remote key. `held`:
   * it waits for the turn of its rank first. Every batch that waits gets this answer, also a repeated one.
   */
  | {
      readonly type: 'queued';
      readonly holder: HolderId;
      readonly batch: number;
      readonly charge: number;
      readonly held: boolean;
    }
  /**
   * The request fails: a key of the waiting batch has since entered the arena with another length, or the ranks that are
   * admitted together can never fit.
   */
  | { readonly type: 'refused'; readonly holder: HolderId; readonly batch: number; readonly reason: Failure }
  /** Chunks of this batch became ready: `written` by its own request, `joined` by another one. */
  | {
      readonly type: 'chunks.ready';
      readonly holder: HolderId;
      readonly batch: number;
      readonly written: number;
      readonly joined: number;
    }
  /** The writers of these chunks are gone: this request, which had joined them, must write the chunks itself. */
  | {
      readonly type: 'handed.over';
      readonly holder: HolderId;
      readonly batch: number;
      /** Number of this hand-over within the batch, from 1 on. */
      readonly part: number;
      /** The remote key under which the request must write. */
      readonly grant: string;
      readonly positions: readonly number[];
      readonly pages: readonly number[];
      readonly generations: readonly number[];
      /** Bytes to write. */
      readonly bytes: number;
      /** The last writer of the first of these chunks, and why it is gone. */
      readonly from: { readonly writer: HolderId; readonly reason: Failure | undefined } | undefined;
    }
  | { readonly type: 'leases.ended'; readonly holder: HolderId; readonly cause: 'released' | 'expired' }
  /** Pages became free (S9). */
  | { readonly type: 'pages.freed'; readonly count: number };

export type EffectOf<T extends StoreEffect['type']> = Extract<StoreEffect, { type: T }>;
