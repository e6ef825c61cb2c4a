"""Attaches an engine's memory as the first order of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import KvferryError
from .orders import Order, OrderSession
from .waiting import now, pause

if TYPE_CHECKING:
    from .client import Client
    from .source_pool import SourcePool

_PAUSE = 0.1


class MemorySetUp:
    def __init__(self, client: Client, agent: str, pool: SourcePool, timeout: float) -> None:
        self._client = client
        self._agent = agent
        self._pool = pool
        self._timeout = timeout

    async def run(self, session: OrderSession, until: float, takes_over: bool) -> None:
        """`takes_over`: what is attached under this name belongs to an earlier engine, which does not run any more.
        Its session is ended, or its segment detached. Raises the agent's refusal, and `segment_in_use` when the
        agent still reads that segment."""
        place = {"segment": self._pool.segment, "path": self._pool.path}
        while True:
            outcome = await session.send(Order("attach", place, until, self._timeout))
            if outcome.error is None:
                return
            error: KvferryError = outcome.error
            if not takes_over or error.code not in ("segment_exists", "wrong_session"):
                raise error
            if error.details.session is not None:
                await self._client.end(self._agent, session=error.details.session, timeout=self._timeout)
            else:
                detach = Order("detach", {"segment": self._pool.segment}, until, self._timeout)
                error = (await session.send(detach)).error or error
            if now() >= until:
                raise error
            await pause(_PAUSE)
