"""The pages of a fake decode agent: keys, leases, and requests that wait for pages."""

from __future__ import annotations

import asyncio
import mmap
import os
from collections import deque
from dataclasses import dataclass, field
from tempfile import TemporaryFile

from ..errors import KvferryError
from ..waiting import now

Holder = tuple[str, str]
"""Request and epoch."""


@dataclass(eq=False)
class Entry:
    """A chunk that is ready."""

    key: str
    page: int
    length: int
    leases: dict[Holder, float] = field(default_factory=dict)
    """Until when, by `now`."""


class FakeArena:
    def __init__(self, epoch: str, page_bytes: int, pages: int, lease_seconds: float) -> None:
        self.page_bytes = page_bytes
        self.pages = pages
        self.lease_seconds = lease_seconds
        self.generations = [0] * pages
        self.entries: dict[str, Entry] = {}
        self.epoch = epoch
        # Closing this file removes the memory, however the test ends.
        self._file = TemporaryFile(dir="/dev/shm", prefix="kvferry-fake-arena-")  # noqa: SIM115
        os.ftruncate(self._file.fileno(), page_bytes * pages)
        self._memory = mmap.mmap(self._file.fileno(), page_bytes * pages)
        self._free = list(range(pages))
        self._reserved: dict[Holder, int] = {}
        self._waiting: deque[tuple[Holder, int, asyncio.Future[None]]] = deque()

    @property
    def place(self) -> dict[str, object]:
        path = f"/proc/{os.getpid()}/fd/{self._file.fileno()}"
        return {"path": path, "epoch": self.epoch, "pageBytes": self.page_bytes, "pages": self.pages}

    @property
    def free(self) -> int:
        return len(self._free)

    def close(self) -> None:
        self._file.close()

    async def admit(self, holder: Holder, chunks: int) -> None:
        """Reserves pages for a request, in order of asking."""
        if chunks > self.pages:
            message = f"request {holder[0]} has {chunks} chunks, the arena has {self.pages} pages"
            raise KvferryError("request_too_large", message)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((holder, chunks, turn))
        self._serve()
        await turn

    def write(self, holder: Holder, key: str, content: bytes) -> bool:
        """Leases the chunk for a request that is admitted. False: it was there already."""
        entry = self.entries.get(key)
        is_new = entry is None
        if entry is None:
            page = self._free.pop(0)
            self.generations[page] += 1
            self._memory[page * self.page_bytes : page * self.page_bytes + len(content)] = content
            entry = self.entries[key] = Entry(key, page, len(content))
        elif entry.length != len(content):
            message = f"key {key} has {entry.length} bytes in the arena, and {len(content)} here"
            raise KvferryError("length_mismatch", message)
        self.lease(holder, entry)
        self._reserved[holder] = max(0, self._reserved.get(holder, 0) - 1)
        if not is_new:
            self._serve()
        return is_new

    def lease(self, holder: Holder, entry: Entry) -> None:
        entry.leases[holder] = now() + self.lease_seconds

    def held_by(self, holder: Holder) -> list[Entry]:
        self.expire()
        return [entry for entry in self.entries.values() if holder in entry.leases]

    def release(self, holder: Holder, keys: list[str] | None = None) -> tuple[int, int]:
        """How many leases ended, or named keys were there; and how many pages are free again."""
        self.expire()
        held = self.held_by(holder)
        existed = len(held) if keys is None else sum(key in self.entries for key in keys)
        before = self.free
        for entry in held:
            if keys is None or entry.key in keys:
                del entry.leases[holder]
        self._drop()
        return existed, self.free - before

    def leave(self, holder: Holder) -> None:
        """The request has ended, or is not admitted any more."""
        self._reserved.pop(holder, None)
        self._serve()

    def expire(self) -> None:
        time = now()
        for entry in self.entries.values():
            for holder in [one for one, until in entry.leases.items() if until <= time]:
                del entry.leases[holder]
        self._drop()

    def _drop(self) -> None:
        """A chunk without a lease goes."""
        for entry in [one for one in self.entries.values() if not one.leases]:
            del self.entries[entry.key]
            self._free.append(entry.page)
        self._serve()

    def _serve(self) -> None:
        while self._waiting:
            holder, chunks, turn = self._waiting[0]
            if not turn.done():
                if chunks > len(self._free) - sum(self._reserved.values()):
                    return
                self._reserved[holder] = chunks
                turn.set_result(None)
            self._waiting.popleft()
