"""The connection of one LMCache server to NATS and its agent. It is made in the background, for as long as it takes:
without it, stores fail and lookups miss. Once made, the engines of this package keep it over restarts of agents and of
NATS."""

from __future__ import annotations

import concurrent.futures
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ..client import Client
from ..decode_engine import DecodeEngine
from ..ends import RequestEnds
from ..errors import KvferryError
from ..waiting import pause

if TYPE_CHECKING:
    from ..loop_thread import LoopThread

log = logging.getLogger("lmcache.kvferry")

START_SECONDS = 5.0
"""How long the start of LMCache waits for the agent."""
_AGAIN_SECONDS = 1.0
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


class Link:
    def __init__(self, connect: Connect, agent: str) -> None:
        self.agent = agent
        self.problem: str | None = "kvferry is not connected yet"
        """Why nothing can be moved. None: the connection was made."""
        self._connect = connect
        self._client: Client | None = None
        self._connected: Connected | None = None

    @property
    def connected(self) -> Connected:
        """Raises `disconnected` before the connection is made."""
        if self._connected is None:
            raise KvferryError("disconnected", f"nothing can be moved: {self.problem}")
        return self._connected

    def start(self, loop: LoopThread) -> None:
        """Returns when the connection is made, or a little later without it."""
        making = loop.submit(self.make_always())
        try:
            making.result(START_SECONDS)
        except concurrent.futures.TimeoutError:
            log.warning("LMCache starts, and moves nothing until kvferry is there: %s", self.problem)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def make_always(self) -> None:
        while True:
            try:
                self._connected = await self._make()
            except KvferryError as error:
                text = f"agent {self.agent} is not in use: {error}"
                if text != self.problem:
                    log.warning("%s", text)
                self.problem = text
                await pause(_AGAIN_SECONDS)
                continue
            self.problem = None
            log.info("agent %s is in use", self.agent)
            return

    async def _make(self) -> Connected:
        if self._client is None:
            self._client = await self._connect()
        described = await self._client.describe(self.agent)
        return Connected(self._client, self.agent, described["role"], await RequestEnds.open(self._client))
