"""The memory of a decode agent, as an engine on the same host reads it."""

from __future__ import annotations

import mmap
import os
import stat
from typing import TYPE_CHECKING

from .errors import KvferryError

if TYPE_CHECKING:
    from .protocol.messages import Arena as ArenaPlace


class Arena:
    """One run of one agent. Mapped when it is made, and unmapped when the last view is gone."""

    def __init__(self, place: ArenaPlace) -> None:
        """Raises `receiver_lost` when there is no such file: the agent was restarted, or is on another host. Raises
        `arena_unavailable` when the arena is on a CUDA device."""
        path = place.get("path")
        if path is None:
            message = "the arena is on a CUDA device: open arena['cuda'] with CUDA, and read at page * pageBytes"
            raise KvferryError("arena_unavailable", message)
        self.epoch = place["epoch"]
        self.page_bytes = place["pageBytes"]
        self.pages = place["pages"]
        self._memory = _mapped(path, self.page_bytes * self.pages)

    def view(self, page: int, length: int) -> memoryview:
        """The first bytes of a page, read-only."""
        start = page * self.page_bytes
        return self._memory[start : start + length]


def _mapped(path: str, size: int) -> memoryview:
    try:
        # Without O_NONBLOCK, the name of a pipe would block for ever.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        message = f"arena {path} cannot be opened ({error.strerror}): is its agent on this host?"
        raise KvferryError("receiver_lost", message) from error
    try:
        state = os.fstat(file)
        if not stat.S_ISREG(state.st_mode) or state.st_size < size:
            raise KvferryError("receiver_lost", f"arena {path} is not a file of {size} bytes")
        return memoryview(mmap.mmap(file, size, access=mmap.ACCESS_READ))
    finally:
        os.close(file)
