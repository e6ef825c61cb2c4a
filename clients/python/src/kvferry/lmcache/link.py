"""The connection of one LMCache server to NATS and its agent. It is made in the background, for as long as it takes:
without it, stores fail and lookups miss. Once made, the engines of this package keep it over restarts of agents and of
NATS."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ..background_link import BackgroundLink
from ..client import Client
from ..decode_engine import DecodeEngine
from ..ends import RequestEnds

if TYPE_CHECKING:
    from ..loop_thread import LoopThread

log = logging.getLogger("lmcache.kvferry")

_CALL_SECONDS = 2.0

Connect = Callable[[], Awaitable[Client]]


class Connected:
    """Owned by the event loop."""

    def __init__(self, client: Client, agent: str, role: str, ends: RequestEnds) -> None:
        self.client = client
        self.ends = ends
        self.stores = role in ("prefill", "both")
        self.loads = role in ("decode", "both")
        self.decode = DecodeEngine(client, agent, call_timeout=_CALL_SECONDS, patience=0)
        """A lookup asks once: an agent that is away is a miss."""
        self.releasing = DecodeEngine(client, agent)
        """Repeats a release while the agent is away."""


class Link(BackgroundLink):
    def __init__(self, connect: Connect, agent: str) -> None:
        super().__init__(agent, log)
        self._connect = connect
        self._client: Client | None = None
        self._connected: Connected | None = None

    @property
    def connected(self) -> Connected:
        """Raises `disconnected` before the connection is made."""
        if self._connected is None:
            raise self.not_made()
        return self._connected

    def start(self, loop: LoopThread) -> None:
        """Returns when the connection is made, or a little later without it."""
        self.wait(loop, "LMCache starts, and moves nothing")

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def make(self) -> str:
        if self._client is None:
            self._client = await self._connect()
        described = await self._client.describe(self.agent)
        ends = await RequestEnds.open(self._client)
        self._connected = Connected(self._client, self.agent, described["role"], ends)
        return ""
