/** The commands of the store, the replies to them, and the effects that its owner must carry out. Plain data. */
import type { Allocation } from '../protocol/allocation.js';
import type { Failure } from '../protocol/fields.js';
import type { End } from '../protocol/subjects.js';
import type { HolderId } from './holder.js';

export type StoreCommand =
  /** A remote key, made for that epoch of a sender, is valid from now on. */
  | { readonly type: 'grant'; readonly grant: string; readonly epoch: string }
  /** A remote key has been revoked: no write under it can land any more. */
  | { readonly type: 'fence'; readonly grant: string }
  | {
      readonly type: 'allocate';
      readonly holder: HolderId;
      readonly grant: string;
      readonly batch: number;
      readonly last: boolean;
      readonly totalChunks: number;
      readonly keys: readonly string[];
      /** Bytes of each chunk. */
      readonly lengths: readonly number[];
    }
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
  /** The sender refuses a hand-over and has written none of its chunks. */
  | { readonly type: 'decline'; readonly holder: HolderId; readonly batch: number; readonly part: number }
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
  | { readonly type: 'expire' };

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
      readonly allocation: Allocation;
      readonly bytes: number;
      /** False when this answers a repeated message: the store has changed nothing. */
      readonly first: boolean;
    }
  /** The batch waits for pages: its request needs `charge` new ones. */
  | { readonly type: 'queued'; readonly holder: HolderId; readonly batch: number; readonly charge: number }
  /** A key of the waiting batch has since entered the arena with another length: the request fails. */
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
