"""Every case, in the order in which they run: first those that share two engines. `docs/guarantees.md` lists
those whose name has a number."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from . import (
    abort_cases,
    agent_cases,
    failure_cases,
    harness_cases,
    mismatch_cases,
    rank_cases,
    steady_case,
    transfer_cases,
)
from .play import Play

Case = Callable[[Play], Awaitable[None]]
CASES: dict[str, Case] = {
    "one engine alone": harness_cases.one_engine_alone,
    "vLLM's own connector": harness_cases.connector_of_vllm,
    "a plain request": transfer_cases.plain_request,
    "T30: late binding": transfer_cases.late_binding,
    "T30: early binding": transfer_cases.early_binding,
    "T30: negative control": transfer_cases.changed_layer,
    "changed weights": transfer_cases.changed_weights,
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
    "a frozen prefill agent": failure_cases.prefill_agent_frozen,
    "frozen on the way": failure_cases.frozen_on_the_way,
    "a frozen decode agent": failure_cases.decode_agent_frozen,
    "an arena that is full": failure_cases.arena_full,
    "no prefill agent": failure_cases.prefill_agent_away,
    "a prefill agent killed on the way": failure_cases.prefill_agent_killed,
    "a decode agent killed": failure_cases.decode_agent_killed,
    "no NATS": failure_cases.nats_away,
    "other block sizes": mismatch_cases.block_sizes,
    "other layout": mismatch_cases.other_layout,
    "other revision, refused": mismatch_cases.other_revision,
    "other dtype": mismatch_cases.other_dtype,
    "other options": mismatch_cases.other_options,
    "other chunks": mismatch_cases.other_chunks,
    "wrong settings": mismatch_cases.wrong_settings,
    "no agent at all": agent_cases.no_agent,
    "no NATS at all": agent_cases.no_nats,
    "a page that is too small": agent_cases.small_page,
    "an arena that is too small": agent_cases.small_arena,
    "an agent of another version": agent_cases.other_version,
    "T30: two ranks": rank_cases.two_ranks,
    "one rank killed": rank_cases.one_rank_killed,
    "two ranks to one": rank_cases.two_ranks_to_one,
}
