"""Error codes, ends and limits of the protocol. Made from the schemas of the agents by `npm run docs`. Do not edit."""

from typing import Literal

ErrorCode = Literal[
    "malformed_json",
    "message_too_large",
    "unsupported_version",
    "unknown_operation",
    "invalid_field",
    "unknown_receiver",
    "unknown_request",
    "duplicate_batch",
    "batch_out_of_order",
    "request_active",
    "request_ended",
    "already_routed",
    "request_too_large",
    "role_mismatch",
    "too_many_requests",
    "quota_exceeded",
    "agent_draining",
    "agent_paused",
    "agent_fenced",
    "agent_id_taken",
    "faults_not_allowed",
    "unknown_session",
    "session_ended",
    "too_many_sessions",
    "order_out_of_turn",
    "order_barred",
    "order_reused",
    "order_forgotten",
    "too_many_orders",
    "wrong_session",
    "segment_not_found",
    "segment_exists",
    "segment_invalid",
    "segment_in_use",
    "too_many_segments",
    "staging_exhausted",
    "staging_not_lent",
    "not_yours",
    "stale_epoch",
    "stale_grant",
    "stale_handle",
    "inconsistent_reply",
    "length_mismatch",
    "no_responders",
    "deadline_exceeded",
    "disconnected",
    "subscription_refused",
    "publication_refused",
    "receiver_lost",
    "sender_lost",
    "writer_failed",
    "cancelled_by_caller",
    "provider_unavailable",
    "connection_failed",
    "connection_lost",
    "write_rejected",
    "fabric_error",
    "arena_unavailable",
    "invalid_configuration",
    "closed",
    "internal",
]

End = Literal[
    "ready",
    "failed",
    "cancelled",
    "expired",
]

ACQUIRE_KEYS_MAX = 4096
ADDRESS_LENGTH_MAX = 1024
AUDIT_KEYS_MAX = 4096
BATCHES_PER_REQUEST_MAX = 4096
CHUNKS_IN_PROGRESS_MAX = 1048576
CHUNKS_PER_REQUEST_MAX = 65536
CONTEXT_ITEMS_MAX = 16
DESCRIBED_TEXT_MAX = 500
ENDPOINTS_MAX = 16
EXPLANATIONS_MAX = 16
FAILURE_TEXT_MAX = 1000
FAULT_MS_MAX = 60000
HEARTBEAT_MS_MAX = 60000
HEARTBEAT_MS_MIN = 10
HOLDERS_SHOWN_MAX = 16
INSPECT_ACTORS_MAX = 200
JOURNAL_ENTRIES_PER_CALL_MAX = 1000
KEYS_PER_BATCH_MAX = 8192
KEYS_SHOWN_MAX = 8
KEY_BYTES_MAX = 512
LIST_LENGTH_MAX = 16384
MESSAGE_BYTES_MAX = 1048576
NAME_BYTES_MAX = 64
ORDERS_REMEMBERED_MAX = 1024
PARTS_PER_BATCH_MAX = 8192
PATH_BYTES_MAX = 4096
PEERS_MAX = 1024
PIECES_PER_CHUNK_MAX = 65536
PROTOCOL_VERSION = 2
RANKS_BYTES_MAX = 12000
RANKS_MAX = 64
REQUEST_ID_BYTES_MAX = 128
SESSION_SILENT_MS_MAX = 600000
SESSION_SILENT_MS_MIN = 1000
SOURCES_BATCHES_MAX = 500
SOURCES_POSITIONS_MAX = 16384
STAGING_PAGES_PER_CALL_MAX = 8192
STATUS_ROWS_MAX = 500
TIMEOUT_MS_MAX = 600000
TRAIL_ENTRIES_MAX = 100
