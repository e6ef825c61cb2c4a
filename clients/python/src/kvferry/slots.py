"""The parts of equal size into which an engine's memory is cut, one for each chunk. They are taken in order of
asking."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import KvferryError, invalid_field

_WAITERS_MAX = 4096


@dataclass(eq=False)
class _Waiter:
    count: int
    slots: asyncio.Future[list[int]]


class Slots:
    """Owned by one event loop."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = deque(range(total))
        self._waiters: deque[_Waiter] = deque()
        self._was_refused = False

    @property
    def free(self) -> int:
        return len(self._free)

    @property
    def is_short(self) -> bool:
        """A caller waits for more slots than are free, or the last one did not get them."""
        return len(self._waiters) > 0 or self._was_refused

    async def take(self, count: int, seconds: float) -> list[int]:
        """Takes `count` slots at once. A prompt must take all its slots in one call: two prompts that each hold
        half of what the other one needs would wait for each other. Raises `invalid_field` when there are not that
        many slots, and `deadline_exceeded`."""
        if count > self.total:
            raise invalid_field("keys", f"{count} chunks are more than the {self.total} slots")
        if len(self._waiters) >= _WAITERS_MAX:
            raise KvferryError("too_many_requests", f"{_WAITERS_MAX} callers wait for slots already")
        waiter = _Waiter(count, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        self._serve()
        try:
            await asyncio.wait({waiter.slots}, timeout=max(0.0, seconds))
        except asyncio.CancelledError:
            self._leave(waiter)
            raise
        if waiter.slots.done():
            return waiter.slots.result()
        self._leave(waiter)
        self._was_refused = True
        raise KvferryError(
            "deadline_exceeded", f"{count} slots of the source memory were not free within {seconds:g} s"
        )

    def give(self, slots: Iterable[int]) -> None:
        """Gives slots back. Each slot must be given back once."""
        self._free.extend(slots)
        self._serve()

    def close(self, reason: KvferryError) -> None:
        """Every caller that waits fails with that reason."""
        for waiter in self._waiters:
            waiter.slots.set_exception(reason)
        self._waiters.clear()

    def _leave(self, waiter: _Waiter) -> None:
        if waiter.slots.done():
            if waiter.slots.exception() is None:
                self.give(waiter.slots.result())
            return
        self._waiters.remove(waiter)
        self._serve()

    def _serve(self) -> None:
        while self._waiters and self._waiters[0].count <= len(self._free):
            waiter = self._waiters.popleft()
            self._was_refused = False
            waiter.slots.set_result(sorted(self._free.popleft() for _ in range(waiter.count)))
