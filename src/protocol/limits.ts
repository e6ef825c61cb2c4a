/** Limits of messages. Sizes are bytes of UTF-8, times are milliseconds. */

/** What an agent does with messages of the version before: docs/guide/versions.md. */
export const PROTOCOL_VERSION = 2;

/** The default `max_payload` of NATS. No kvferry message may be larger, also where NATS allows more. */
export const MESSAGE_BYTES_MAX = 1024 * 1024;

/** Elements of any list in a message. The lists of most fields are shorter. */
export const LIST_LENGTH_MAX = 16_384;

/** Keys in one batch, if their message is not too large. */
export const KEYS_PER_BATCH_MAX = 8192;
export const KEY_BYTES_MAX = 512;
/** Characters of each text of a failure. */
export const FAILURE_TEXT_MAX = 1000;

/** Characters of a text of `describe`, of the address of an endpoint; and endpoints of an agent. */
export const DESCRIBED_TEXT_MAX = 500;
export const ADDRESS_LENGTH_MAX = 1024;
export const ENDPOINTS_MAX = 16;

/** Chunks of one request, over all its batches. */
export const CHUNKS_PER_REQUEST_MAX = 65_536;
export const BATCHES_PER_REQUEST_MAX = 4096;

/** Chunks of all requests in progress, on one side of an agent: those of the largest arena. A tracked chunk takes about 340 bytes. */
export const CHUNKS_IN_PROGRESS_MAX = 1_048_576;

/** Processes of other agents that an agent knows, on each side: as many as there are remote keys. */
export const PEERS_MAX = 1024;

/** Pieces of one chunk in source memory. */
export const PIECES_PER_CHUNK_MAX = 65_536;

/** Hand-overs of chunks of one batch. */
export const PARTS_PER_BATCH_MAX = 8192;

export const REQUEST_ID_BYTES_MAX = 128;
export const NAME_BYTES_MAX = 64;
export const PATH_BYTES_MAX = 4096;

/** Tensor-parallel ranks of one request. */
export const RANKS_MAX = 64;
/** What the ranks of a request take in a message at most. A router may name them after the put. */
export const RANKS_BYTES_MAX = 12_000;

/** Largest `timeoutMs` of a request. */
export const TIMEOUT_MS_MAX = 600_000;

/** Shortest and longest heartbeat interval. */
export const HEARTBEAT_MS_MIN = 10;
export const HEARTBEAT_MS_MAX = 60_000;

/** Longest duration of a fault. */
export const FAULT_MS_MAX = 60_000;

/** Longest silence after which a session ends, and shortest. */
export const SESSION_SILENT_MS_MAX = 600_000;
export const SESSION_SILENT_MS_MIN = 1000;
/** Orders of a session that an agent remembers with their answers. An engine sends at most so many ahead of the answers. */
export const ORDERS_REMEMBERED_MAX = 1024;
/** Positions of chunks that one `sources` reply lists, and batches. A batch is never cut in two. */
export const SOURCES_POSITIONS_MAX = 16_384;
export const SOURCES_BATCHES_MAX = 500;

/** Rows of each list of a `status` reply. */
export const STATUS_ROWS_MAX = 500;

/** Keys in one `acquire`, and in its reply, which has fewer if they are long. */
export const ACQUIRE_KEYS_MAX = 4096;

/** Staging pages that one `stage` lends. */
export const STAGING_PAGES_PER_CALL_MAX = 8192;

/** Actors that one `inspect` lists. */
export const INSPECT_ACTORS_MAX = 200;
/** Items that `inspect` shows of a list in an actor's context. */
export const CONTEXT_ITEMS_MAX = 16;
/** Entries in one `journal` reply. */
export const JOURNAL_ENTRIES_PER_CALL_MAX = 1000;
/** Keys that one journal entry shows. */
export const KEYS_SHOWN_MAX = 8;
/** Keys in one step of an `audit` event, and steps in one event. */
export const AUDIT_KEYS_MAX = 4096;
/** Parts of one `explain` reply. */
export const EXPLANATIONS_MAX = 16;
export const HOLDERS_SHOWN_MAX = 16;
export const TRAIL_ENTRIES_MAX = 100;
