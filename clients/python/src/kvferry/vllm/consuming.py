"""The prompts that another server has computed: how many of their tokens are fetched, and into which blocks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .dialect import Remote, read_remote
from .keys import chunk_keys
from .layout import differences
from .metadata import Load, trace_of
from .weights import UNCHANGED

if TYPE_CHECKING:
    from .config import ConnectorConfig
    from .engine_types import Request
    from .layout import KvLayout

log = logging.getLogger("vllm.kvferry")


def name_policy(policy: str) -> None:
    """vLLM's default refuses a request whose cache did not come: its client sees an internal error, and no reason."""
    if policy == "fail":
        remedy = 'set "kv_load_failure_policy": "recompute" to have the prompt computed here'
        log.warning("a request whose cache does not come ends with an error (kv_load_failure_policy): %s", remedy)


@dataclass(eq=False)
class _Incoming:
    remote: Remote | None
    keys: list[str]
    tokens: int
    """Of the prompt, that the prefill server has put."""
    problem: str | None
    trace: dict[str, str] | None
    computed: int = 0
    """Tokens that are in this server's own prefix cache."""
    is_decided: bool = False
    """It is being loaded, or will not be."""


class Consuming:
    """Owned by the scheduler of one engine."""

    def __init__(self, config: ConnectorConfig, layout: KvLayout) -> None:
        self._config = config
        self._layout = layout
        self._incoming: dict[str, _Incoming] = {}
        self._loads: list[Load] = []
        self._drops: list[Remote] = []

    def arrived(self, request: Request) -> None:
        """It waits for its turn, and may wait for long."""
        self._find(request)

    def matched(self, request: Request, computed: int) -> int:
        """How many tokens can be fetched beyond those that are here."""
        incoming = self._find(request)
        if incoming is None or incoming.is_decided:
            return 0
        incoming.computed = computed
        return max(0, incoming.tokens - computed)

    def allocated(self, request: Request, blocks: Sequence[int], tokens: int) -> None:
        """The scheduler has blocks for the prompt, and waits for `tokens` of it."""
        incoming = self._find(request)
        if incoming is None or incoming.is_decided:
            return
        incoming.is_decided = True
        if tokens > 0:
            self._loads.append(self._load(request.request_id, incoming, blocks))
        elif incoming.remote is not None:
            self._drops.append(incoming.remote)

    def finished(self, request: Request) -> None:
        """However it ended. Chunks that were not asked for are given back."""
        incoming = self._find(request)
        self._incoming.pop(request.request_id, None)
        if incoming is not None and not incoming.is_decided and incoming.remote is not None:
            self._drops.append(incoming.remote)

    def forget(self) -> None:
        """vLLM has emptied its caches. Prompts that wait are computed here: this server may have other weights now than
        those that they were prefilled with."""
        for incoming in self._incoming.values():
            if not incoming.is_decided:
                incoming.is_decided = True
                if incoming.remote is not None:
                    self._drops.append(incoming.remote)

    def take(self) -> tuple[list[Load], list[Remote]]:
        loads, drops = self._loads, self._drops
        self._loads, self._drops = [], []
        return loads, drops

    def _find(self, request: Request) -> _Incoming | None:
        known = self._incoming.get(request.request_id)
        if known is None:
            known = self._read(request)
            if known is not None:
                self._incoming[request.request_id] = known
        return known

    def _read(self, request: Request) -> _Incoming | None:
        size = self._layout.chunk_tokens
        remote, problem = None, None
        try:
            remote = read_remote(request.kv_transfer_params)
            if remote is None:
                return None
            problem = self._mismatch(remote)
        except ValueError as error:
            problem = str(error)
        keys = chunk_keys(request, self._layout, UNCHANGED if remote is None else remote.weights)
        # A load that cannot succeed covers the whole prompt, so that vLLM's policy for failed loads decides.
        chunks = min(len(keys), remote.tokens // size) if remote is not None and problem is None else len(keys)
        return _Incoming(remote, keys[:chunks], chunks * size, problem, trace_of(request.trace_headers))

    def _mismatch(self, remote: Remote) -> str | None:
        own = self._layout
        if remote.layout != own.text:
            return f"the KV cache of the prefill server does not fit: {differences(remote.layout, own.text)}"
        if remote.chunk_tokens != own.chunk_tokens:
            return f"the prefill server has chunks of {remote.chunk_tokens} tokens, and this one of {own.chunk_tokens}"
        ranks, tenant = len(self._config.agents), self._config.connection.tenant
        if len(remote.agents) != ranks:
            return f"the prefill server names {len(remote.agents)} agents for {ranks} ranks"
        if remote.tenant != tenant:
            return f"the prefill server is of tenant {remote.tenant}, and this one of {tenant}: set one tenant on both"
        return None

    def _load(self, request_id: str, incoming: _Incoming, blocks: Sequence[int]) -> Load:
        per_chunk, size = self._layout.blocks_per_chunk, self._layout.chunk_tokens
        local = incoming.computed // self._layout.block_tokens
        first = incoming.computed // size
        listed: list[list[int | None]] = []
        for chunk in range(first, len(incoming.keys)):
            numbers = range(chunk * per_chunk, (chunk + 1) * per_chunk)
            listed.append([None if number < local else blocks[number] for number in numbers])
        keys = incoming.keys[first:]
        return Load(request_id, incoming.remote, keys, listed, first, incoming.problem, incoming.trace)
