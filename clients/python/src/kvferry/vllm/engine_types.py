"""What the connector reads of vLLM's objects. vLLM declares more, and its own types need vLLM to be installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Position(Protocol):
    @property
    def offset(self) -> int: ...

    @property
    def length(self) -> int: ...


class Feature(Protocol):
    """An image, a sound or a video of a prompt."""

    @property
    def identifier(self) -> str: ...

    @property
    def mm_position(self) -> Position: ...


class Lora(Protocol):
    @property
    def lora_name(self) -> str: ...

    @property
    def lora_path(self) -> str: ...


class Status(Protocol):
    @property
    def name(self) -> str: ...


class Request(Protocol):
    """A prompt, as vLLM's scheduler keeps it."""

    @property
    def request_id(self) -> str: ...

    @property
    def prompt_token_ids(self) -> Sequence[int] | None: ...

    @property
    def prompt_embeds(self) -> object | None: ...

    @property
    def kv_transfer_params(self) -> Mapping[str, Any] | None: ...

    @property
    def lora_request(self) -> Lora | None: ...

    @property
    def cache_salt(self) -> str | None: ...

    @property
    def mm_features(self) -> Sequence[Feature]: ...

    @property
    def status(self) -> Status: ...

    @property
    def trace_headers(self) -> Mapping[str, str] | None: ...


class NewRequest(Protocol):
    @property
    def req_id(self) -> str: ...

    @property
    def block_ids(self) -> tuple[Sequence[int], ...]: ...

    @property
    def num_computed_tokens(self) -> int: ...


class CachedRequests(Protocol):
    """Requests that were scheduled before. One list for each property, in the order of `req_ids`."""

    @property
    def req_ids(self) -> Sequence[str]: ...

    @property
    def resumed_req_ids(self) -> set[str]: ...

    @property
    def new_block_ids(self) -> Sequence[tuple[Sequence[int], ...] | None]: ...

    @property
    def num_computed_tokens(self) -> Sequence[int]: ...


class SchedulerOutput(Protocol):
    """What vLLM computes in one step."""

    @property
    def scheduled_new_reqs(self) -> Sequence[NewRequest]: ...

    @property
    def scheduled_cached_reqs(self) -> CachedRequests: ...

    @property
    def num_scheduled_tokens(self) -> Mapping[str, int]: ...
