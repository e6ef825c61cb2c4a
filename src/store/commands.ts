/** What the store can be told, what it answers, and what it asks its owner to do. Plain data. */
import type { Allocation } from '../protocol/allocation.js';
import type { Failure } from '../protocol/fields.js';
import type { End } from '../protocol/subjects.js';
import type { HolderId } from './holder.js';

export type StoreCommand =
  /** A remote key, made for that sender's epoch, is valid from now on. */
  | { readonly type: 'grant'; readonly grant: string; readonly epoch: string }
  /** A remote key has been revoked: nothing written under it can land. */
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
      /** 0: what the batch was allocated. Others: what was handed over to it. */
      readonly part: number;
      readonly pages: readonly number[];
      readonly generations: readonly number[];
      readonly lengths: readonly number[];
    }
  /** The sender does not take what was handed over, and has written nothing of it. */
  | { readonly type: 'decline'; readonly holder: HolderId; readonly batch: number; readonly part: number }
  /** The request has ended. Unless `ready`, everything it holds is taken back. */
  | { readonly type: 'end'; readonly holder: HolderId; readonly end: End; readonly reason: Failure | undefined }
  /** No write of that request can land any more. */
  | { readonly type: 'drained'; readonly holder: HolderId }
  /** Lookup and lease in one step. Without `keys`: those that the holder holds, at most `limit`, from number `from` on. */
  | {
      readonly type: 'acquire';
      readonly holder: HolderId;
      readonly keys: readonly string[] | undefined;
      readonly from?: number;
      readonly limit?: number;
    }
  | { readonly type: 'release'; readonly holder: HolderId; readonly keys: readonly string[] | undefined }
  /** Let leases and tombstones go whose time is over. */
  | { readonly type: 'expire' };

/** One leased page, as `acquire` answers. */
export interface AcquiredPage {
  readonly key: string;
  readonly page: number;
  readonly generation: number;
  readonly length: number;
}

/** What a command answers. Commands that are not listed answer nothing. */
export interface StoreReplies {
  readonly acquire: {
    readonly found: readonly AcquiredPage[];
    readonly missing: readonly string[];
    /** The holder holds more: the number to go on from. */
    readonly next?: number;
  };
  readonly release: { readonly existed: number; readonly freedPages: number };
}

export type StoreEffect =
  /** The batch has its answer. `bytes` is what will be written. */
  | {
      readonly type: 'allocated';
      readonly holder: HolderId;
      readonly batch: number;
      readonly last: boolean;
      readonly allocation: Allocation;
      readonly bytes: number;
      /** False when this answers a repeated message: nothing new happened. */
      readonly first: boolean;
    }
  /** The batch waits for pages: it needs `charge` new ones. */
  | { readonly type: 'queued'; readonly holder: HolderId; readonly batch: number; readonly charge: number }
  /** A batch that had waited does not fit what has come into the arena since: the request fails. */
  | { readonly type: 'refused'; readonly holder: HolderId; readonly batch: number; readonly reason: Failure }
  /** Chunks of this batch became ready: `written` by itself, `joined` by another request. */
  | {
      readonly type: 'chunks.ready';
      readonly holder: HolderId;
      readonly batch: number;
      readonly written: number;
      readonly joined: number;
    }
  /** Requests that this one had joined are gone: it shall write these chunks of its batch itself. */
  | {
      readonly type: 'handed.over';
      readonly holder: HolderId;
      readonly batch: number;
      /** Number of this hand-over within the batch, from 1 on. */
      readonly part: number;
      /** The remote key under which it shall write. */
      readonly grant: string;
      readonly positions: readonly number[];
      readonly pages: readonly number[];
      readonly generations: readonly number[];
      /** Bytes it shall write. */
      readonly bytes: number;
      /** Who was to write the first of these chunks, and why it does not. */
      readonly from: { readonly writer: HolderId; readonly reason: Failure | undefined } | undefined;
    }
  | { readonly type: 'leases.ended'; readonly holder: HolderId; readonly cause: 'released' | 'expired' }
  /** Pages were really freed (S9). */
  | { readonly type: 'pages.freed'; readonly count: number };
