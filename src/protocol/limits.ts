/** Bounds of every message. Sizes are bytes of UTF-8, times milliseconds. */

export const PROTOCOL_VERSION = 1;

/** NATS's default `max_payload`; no message of ours may be larger. */
export const MESSAGE_BYTES_MAX = 1024 * 1024;

/** Keys in one batch. With `KEY_BYTES_MAX` a full batch stays below `MESSAGE_BYTES_MAX` (a test sends one). */
export const KEYS_PER_BATCH_MAX = 8192;
export const KEY_BYTES_MAX = 112;

/** Chunks of one request over all its batches. */
export const CHUNKS_PER_REQUEST_MAX = 65_536;
export const BATCHES_PER_REQUEST_MAX = 4096;

/** How often chunks of one batch may be handed over to its request. */
export const PARTS_PER_BATCH_MAX = 8192;

export const REQUEST_ID_BYTES_MAX = 128;
export const NAME_BYTES_MAX = 64;
export const PATH_BYTES_MAX = 4096;

/** Tensor-parallel ranks of one request. */
export const RANKS_MAX = 64;

/** Longest time any request may ask for. */
export const TIMEOUT_MS_MAX = 600_000;

/** Longest time a fault on request may last. */
export const FAULT_MS_MAX = 60_000;

/** Entries a `status` reply lists at most. */
export const STATUS_ROWS_MAX = 500;

/** Keys one `acquire` answers for at most: its reply stays below `MESSAGE_BYTES_MAX`. */
export const ACQUIRE_KEYS_MAX = 4096;

/** Staging pages one `stage` call may ask for. */
export const STAGING_PAGES_PER_CALL_MAX = 8192;

/** Rows one `inspect` lists at most; items of a list in the context of an actor that it shows. */
export const INSPECT_ACTORS_MAX = 200;
export const CONTEXT_ITEMS_MAX = 16;
/** Entries one `journal` reply has at most, and keys that one of them shows. */
export const JOURNAL_ENTRIES_PER_CALL_MAX = 1000;
export const KEYS_SHOWN_MAX = 8;
/** Keys of one step of an `audit` event; and steps of one event. */
export const AUDIT_KEYS_MAX = 4096;
/** What one `explain` reply has at most. */
export const EXPLANATIONS_MAX = 16;
export const HOLDERS_SHOWN_MAX = 16;
export const TRAIL_ENTRIES_MAX = 100;
