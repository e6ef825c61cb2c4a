"""The prompts that this server computes for others: which chunks each step has computed, and what the router gets."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .dialect import Remote, answer, early_receivers, wants_decode
from .keys import chunk_keys
from .metadata import Cancel, Save, WorkerReport, chunk_blocks, trace_of
from .weights import Weights

if TYPE_CHECKING:
    from .config import ConnectorConfig
    from .engine_types import Request, SchedulerOutput
    from .layout import KvLayout

log = logging.getLogger("vllm.kvferry")

_COMPLETE = frozenset({"FINISHED_STOPPED", "FINISHED_LENGTH_CAPPED"})
"""How a request ends whose prompt was computed and whose answer is used."""


@dataclass(eq=False)
class _Prompt:
    request: str
    """The request id of kvferry."""
    receivers: tuple[str, ...] | None
    keys: list[str]
    trace: dict[str, str] | None
    weights: str
    saved: int = 0
    """Chunks that the workers were ordered to save."""
    blocks: list[int] = field(default_factory=list)


class Producing:
    """Owned by the scheduler of one engine."""

    def __init__(self, config: ConnectorConfig, layout: KvLayout) -> None:
        self._config = config
        self._layout = layout
        self._run = secrets.token_hex(8)
        self._count = 0
        self._prompts: dict[str, _Prompt] = {}
        self._cancels: list[Cancel] = []
        self._weights = Weights()
        self._forgets = False
        self._epoch: str | None = None
        self._offered: dict[str, int] = {}
        self._told = False
        """That short prompts are not moved."""

    def admitted(self, request: Request) -> None:
        """The scheduler has allocated blocks for the prompt. Repeated, it changes nothing."""
        params = request.kv_transfer_params
        if params is None or not wants_decode(params) or request.request_id in self._prompts:
            return
        weights = self._weights.name(request)
        keys = chunk_keys(request, self._layout, weights)
        if not keys:
            self._too_short(request)
            return
        try:
            receivers = early_receivers(params, len(self._config.agents))
        except ValueError as error:
            log.warning("prompt %s is not offered: %s", request.request_id, error)
            return
        name, trace = self._new_id(request.request_id), trace_of(request.trace_headers)
        log.debug("prompt %s is request %s of kvferry", request.request_id, name)
        self._prompts[request.request_id] = _Prompt(name, receivers, keys, trace, weights)

    def step(self, output: SchedulerOutput) -> list[Save]:
        """The chunks that this step completes."""
        saves = []
        for new in output.scheduled_new_reqs:
            saves += self._scheduled(new.req_id, new.block_ids[0], True, new.num_computed_tokens, output)
        cached = output.scheduled_cached_reqs
        for request_id, blocks, computed in zip(
            cached.req_ids, cached.new_block_ids, cached.num_computed_tokens, strict=True
        ):
            # A prompt that was preempted and goes on has other blocks.
            replaces = request_id in cached.resumed_req_ids
            saves += self._scheduled(request_id, () if blocks is None else blocks[0], replaces, computed, output)
        return saves

    def finished(self, request: Request) -> dict[str, Any] | None:
        """The parameters for the router. None: the decode server computes the prompt itself."""
        prompt = self._prompts.pop(request.request_id, None)
        if prompt is None:
            return None
        chunks = min(prompt.saved, self._offered.pop(prompt.request, prompt.saved))
        is_complete = request.status.name in _COMPLETE and prompt.saved == len(prompt.keys)
        if not is_complete or chunks == 0:
            if prompt.saved > 0:
                self._cancels.append(Cancel(prompt.request, prompt.receivers))
            return None
        return answer(
            Remote(
                agents=self._config.agents,
                request=prompt.request,
                epoch=self._epoch,
                tokens=chunks * self._layout.chunk_tokens,
                chunk_tokens=self._layout.chunk_tokens,
                layout=self._layout.text,
                is_routed=prompt.receivers is not None,
                tenant=self._config.connection.tenant,
                weights=prompt.weights,
            )
        )

    def forget(self) -> None:
        """vLLM has emptied its caches. Prompts that are being computed are not offered, unless they begin again."""
        self._weights.renew()
        self._forgets = True
        self._cancels += [Cancel(one.request, one.receivers) for one in self._prompts.values() if one.saved > 0]
        self._prompts.clear()
        self._offered.clear()

    def reported(self, report: WorkerReport) -> None:
        self._epoch = report.epoch or self._epoch
        known = {prompt.request for prompt in self._prompts.values()}
        self._offered |= {request: chunks for request, chunks in report.offered.items() if request in known}

    def take_cancels(self) -> list[Cancel]:
        cancels, self._cancels = self._cancels, []
        return cancels

    def take_forgets(self) -> bool:
        forgets, self._forgets = self._forgets, False
        return forgets

    def _scheduled(
        self, request_id: str, blocks: Sequence[int], replaces: bool, computed: int, output: SchedulerOutput
    ) -> list[Save]:
        prompt = self._prompts.get(request_id)
        if prompt is None:
            return []
        prompt.blocks = list(blocks) if replaces else prompt.blocks + list(blocks)
        tokens = computed + output.num_scheduled_tokens.get(request_id, 0)
        chunks = min(tokens // self._layout.chunk_tokens, len(prompt.keys))
        first = prompt.saved
        if chunks <= first:
            return []
        prompt.saved = chunks
        keys = prompt.keys if first == 0 else []
        listed = chunk_blocks(prompt.blocks, self._layout.blocks_per_chunk, first, chunks)
        return [Save(prompt.request, prompt.receivers, first, listed, keys, prompt.trace)]

    def _too_short(self, request: Request) -> None:
        """Logged once: who tries a server out asks something short."""
        tokens = 0 if request.prompt_token_ids is None else len(request.prompt_token_ids)
        if self._told or not 0 < tokens < self._layout.chunk_tokens:
            return
        self._told = True
        size = self._layout.chunk_tokens
        log.info("prompts of less than a chunk (%d tokens) are not moved: this one has %d tokens", size, tokens)

    def _new_id(self, request_id: str) -> str:
        """Routers make ids that are longer than kvferry's may be, and may use one twice."""
        self._count += 1
        return "vllm-" + hashlib.sha256(f"{self._run}/{self._count}/{request_id}".encode()).hexdigest()[:32]
