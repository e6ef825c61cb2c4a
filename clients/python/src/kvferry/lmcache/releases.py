"""Leases on their way back to the agent beside this server."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ..errors import KvferryError
from ..waiting import in_background

if TYPE_CHECKING:
    from .link import Link

log = logging.getLogger("lmcache.kvferry")

_CLOSE_SECONDS = 2.0


class Releases:
    """Owned by the event loop."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._releasing: set[asyncio.Task[None]] = set()

    def release(self, request: str, epoch: str) -> None:
        """Begins it. It is repeated while the agent is away, for a while; then the leases end by time."""
        task = in_background(self._release(request, epoch))
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)

    async def close(self) -> None:
        """Waits for those that have begun, but not for an agent that is away."""
        if self._releasing:
            await asyncio.wait(self._releasing, timeout=_CLOSE_SECONDS)

    async def _release(self, request: str, epoch: str) -> None:
        try:
            await self._link.connected.releasing.release(request, epoch)
        except KvferryError as error:
            log.warning("the leases of request %s end by time: %s", request, error)
