"""Chunks in the arena of a decode agent, under lease."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import KvferryError, invalid_field
from .views import numpy_view, torch_view
from .waiting import now

if TYPE_CHECKING:
    from .arena import Arena


@dataclass(frozen=True)
class Page:
    key: str
    number: int
    """Of the page in the arena, from 0."""
    generation: int
    view: memoryview
    """The bytes of the chunk where they lie, read-only. They are this chunk's while the lease lasts."""

    def numpy(self, dtype: Any = "uint8", shape: Sequence[int] | None = None) -> Any:
        """The bytes as a read-only array, without a copy."""
        return numpy_view(self.view, dtype, shape)

    def torch(self, dtype: Any = None, shape: Sequence[int] | None = None) -> Any:
        """The bytes as a tensor, without a copy. Do not write to it."""
        return torch_view(self.view, dtype, shape)


class Acquired:
    def __init__(
        self,
        request: str,
        epoch: str,
        *,
        pages: Sequence[Page],
        missing: Sequence[str],
        arena: Arena,
        leased_until: float,
    ) -> None:
        self.request = request
        self.epoch = epoch
        self.pages = pages
        """The chunks that were found, in the order of the caller's keys."""
        self.missing = missing
        """Keys that are not in the arena, or have not arrived: compute them."""
        self.arena = arena
        self.leased_until = leased_until
        """By `time.monotonic`: until then the leases hold for sure."""
        self._is_closed = False

    @property
    def is_leased(self) -> bool:
        return not self._is_closed and now() < self.leased_until

    def check(self) -> None:
        """Call it after you have read the pages. Raises `request_ended` when the lease may have been over by then:
        what was read may be another chunk."""
        if not self.is_leased:
            message = f"the leases of request {self.request} are over: acquire the chunks again"
            raise KvferryError("request_ended", message)

    def read(self, key: str) -> bytes:
        """A copy of one chunk, which was leased when it was read. Raises `invalid_field` for a key that was not
        found, and as `check` does."""
        page = next((page for page in self.pages if page.key == key), None)
        if page is None:
            raise invalid_field("key", f"key {key!r} was not acquired")
        content = bytes(page.view)
        self.check()
        return content

    def close(self) -> None:
        """Nothing more is read."""
        self._is_closed = True
