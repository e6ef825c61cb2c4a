"""A connection to an agent that is made in the background, for as long as it takes. The engine works without it."""

from __future__ import annotations

import concurrent.futures
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from .errors import KvferryError
from .waiting import pause

if TYPE_CHECKING:
    from .loop_thread import LoopThread

START_SECONDS = 5.0
"""How long the start of an engine waits for the agent."""
_AGAIN_SECONDS = 1.0


class BackgroundLink(ABC):
    """A subclass makes the connection. Owned by the event loop, but for `start`."""

    def __init__(self, agent: str, log: logging.Logger) -> None:
        self.agent = agent
        self.problem: str | None = "kvferry is not connected yet"
        """Why nothing can be moved. None: the connection was made."""
        self._log = log

    @abstractmethod
    async def make(self) -> str:
        """Makes the connection, and what is left of it to make after a failure. Returns what the log adds about it.
        Raises `KvferryError`."""

    def wait(self, loop: LoopThread, without: str) -> None:
        """Returns when the connection is made, or a little later without it: `without` says what happens then."""
        making = loop.submit(self.make_always())
        try:
            making.result(START_SECONDS)
        except concurrent.futures.TimeoutError:
            self._log.warning("%s until kvferry is there: %s", without, self.problem)

    async def make_always(self) -> None:
        while True:
            try:
                about = await self.make()
            except Exception as error:  # noqa: BLE001 - nobody waits for it, and the next attempt may succeed
                self._failed(error)
                await pause(_AGAIN_SECONDS)
                continue
            self.problem = None
            self._log.info("agent %s is in use%s", self.agent, about)
            return

    def _failed(self, error: Exception) -> None:
        """Each reason is logged once. An error that nobody has foreseen comes with its place."""
        is_foreseen = isinstance(error, KvferryError)
        text = f"agent {self.agent} is not in use: {error if is_foreseen else repr(error)}"
        if text != self.problem:
            self._log.warning("%s", text, exc_info=None if is_foreseen else error)
        self.problem = text

    def not_made(self) -> KvferryError:
        return KvferryError("disconnected", f"nothing can be moved: {self.problem}")
