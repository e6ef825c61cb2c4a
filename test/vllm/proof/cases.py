"""Every case, in the order in which they run: first those that share two engines. `docs/guarantees.md` lists
those whose name has a number."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from . import abort_cases, failure_cases, harness_cases, mismatch_cases, steady_case, transfer_cases
from .play import Play

Case = Callable[[Play], Awaitable[None]]
CASES: dict[str, Case] = {
    "one engine alone": harness_cases.one_engine_alone,
    "vLLM's own connector": harness_cases.connector_of_vllm,
    "a plain request": transfer_cases.plain_request,
    "T30: late binding": transfer_cases.late_binding,
    "T30: early binding": transfer_cases.early_binding,
    "T30: negative control": transfer_cases.changed_layer,
    "chunked prefill": transfer_cases.chunked_prefill,
    "a prompt shorter than a chunk": transfer_cases.short_prompt,
    "T30: shared prefix": transfer_cases.shared_prefix,
    "T30: partial load": transfer_cases.partial_load,
    "all in the cache": transfer_cases.all_in_cache,
    "many at once": transfer_cases.many_at_once,
    "memory is flat": steady_case.memory_is_flat,
    "abort in prefill": abort_cases.in_prefill,
    "abort while offered": abort_cases.while_offered,
    "abort while loading": abort_cases.while_loading,
    "abort while decoding": abort_cases.while_decoding,
    "a request that nobody put": failure_cases.unknown_request,
    "a request that never arrives": failure_cases.never_arrives,
    "an arena that is full": failure_cases.arena_full,
    "no prefill agent": failure_cases.prefill_agent_away,
    "a prefill agent killed on the way": failure_cases.prefill_agent_killed,
    "a decode agent killed": failure_cases.decode_agent_killed,
    "no NATS": failure_cases.nats_away,
    "other block sizes": mismatch_cases.block_sizes,
    "other layout": mismatch_cases.other_layout,
    "other revision, refused": mismatch_cases.other_revision,
    "wrong settings": mismatch_cases.wrong_settings,
    "no agent at all": mismatch_cases.no_agent,
}
