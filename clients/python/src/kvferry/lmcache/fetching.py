"""Chunks that prefill servers have offered. They are routed to the agent beside this server, and held there until the
lookup that wanted them has its own leases. Lookups that want one chunk at the same time share its transfer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..ends import RequestEnd, ask_end
from ..errors import KvferryError
from ..orders import is_away
from ..waiting import in_background, now, pause
from .keys import offers_of

if TYPE_CHECKING:
    from ..ends import Expected
    from .config import AdapterConfig
    from .link import Link
    from .releases import Releases

log = logging.getLogger("lmcache.kvferry")

_AT_ONCE = 32
_AGAIN_SECONDS = 0.05
"""Between two questions for a chunk that was not offered yet."""
_ASK_SECONDS = 1.0
"""Between two questions for an end whose event may be lost."""
_CALL_SECONDS = 5.0
"""For the answer to a route: the prefill agent looks this one up."""
_OTHER_NAME = frozenset({"request_ended", "already_routed"})
"""The chunk was stored under that name before. It may have been stored again, under the next one."""


@dataclass(eq=False)
class _Fetch:
    work: asyncio.Task[RequestEnd]
    users: int = 0


@dataclass(frozen=True)
class _Routed:
    sender: str
    request: str
    epoch: str
    expected: Expected


class Fetching:
    """Owned by the event loop."""

    def __init__(self, link: Link, releases: Releases, config: AdapterConfig) -> None:
        self._link = link
        self._releases = releases
        self._config = config
        self._fetches: dict[str, _Fetch] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._senders = list(config.senders)
        """The one that had a chunk last is asked first."""

    @asynccontextmanager
    async def fetched(self, chunks: Sequence[str], until: float) -> AsyncIterator[None]:
        """Within the block, chunks that have arrived by that time cannot leave the arena."""
        fetches = {chunk: self._entered(chunk) for chunk in chunks}
        try:
            done, late = await asyncio.wait({one.work for one in fetches.values()}, timeout=max(0.0, until - now()))
            problems = {str(task.exception()) for task in done if _is_problem(task)}
            if late:
                problems.add(f"{len(late)} chunks did not arrive within {self._config.lookup_timeout:g} s")
            for problem in sorted(problems):
                log.warning("chunks are computed again: %s", problem)
            yield
        finally:
            for chunk, fetch in fetches.items():
                self._left(chunk, fetch)

    def _entered(self, chunk: str) -> _Fetch:
        fetch = self._fetches.get(chunk)
        if fetch is None:
            fetch = self._fetches[chunk] = _Fetch(in_background(self._fetch(chunk)))
        fetch.users += 1
        return fetch

    def _left(self, chunk: str, fetch: _Fetch) -> None:
        """One that is late arrives for the next lookup, and its lease ends then too."""
        fetch.users -= 1
        if fetch.users == 0:
            fetch.work.add_done_callback(lambda task: self._ended(chunk, fetch, task))

    def _ended(self, chunk: str, fetch: _Fetch, task: asyncio.Task[RequestEnd]) -> None:
        if fetch.users > 0 or self._fetches.get(chunk) is not fetch:
            return
        del self._fetches[chunk]
        if not task.cancelled() and task.exception() is None:
            end = task.result()
            self._releases.release(end.request, end.epoch)

    async def _fetch(self, chunk: str) -> RequestEnd:
        unknown_until = now() + self._config.unknown_timeout
        async with self._places:
            while True:
                routed = await self._routed(chunk)
                if routed is not None:
                    return await self._arrived(routed)
                if now() >= unknown_until:
                    raise KvferryError("unknown_request", f"nobody offers chunk {chunk}")
                await pause(_AGAIN_SECONDS)

    async def _routed(self, chunk: str) -> _Routed | None:
        for sender in list(self._senders):
            routed = await self._routed_at(sender, chunk)
            if routed is not None:
                self._senders.remove(sender)
                self._senders.insert(0, sender)
                return routed
        return None

    async def _routed_at(self, sender: str, chunk: str) -> _Routed | None:
        there = self._link.connected
        limit = int(self._config.lookup_timeout * 1000)
        for request in offers_of(chunk):
            expected = there.ends.expect(request)
            try:
                reply = await there.client.route(
                    sender, request=request, receiver=self._link.agent, timeoutMs=limit, timeout=_CALL_SECONDS
                )
                return _Routed(sender, request, reply["epoch"], expected)
            except KvferryError as error:
                there.ends.forget(expected)
                if error.code in _OTHER_NAME:
                    continue
                if error.code == "unknown_request" or is_away(error):
                    return None
                raise
            except asyncio.CancelledError:
                there.ends.forget(expected)
                raise
        return None

    async def _arrived(self, routed: _Routed) -> RequestEnd:
        """Raises when the chunk did not become ready in time."""
        until = now() + self._config.lookup_timeout
        there = self._link.connected
        try:
            while True:
                await asyncio.wait({routed.expected.end}, timeout=min(_ASK_SECONDS, max(0.0, until - now())))
                if routed.expected.end.done():
                    return _own(routed, routed.expected.end.result())
                if now() >= until:
                    message = f"request {routed.request} from agent {routed.sender} was not ready in time"
                    raise KvferryError("deadline_exceeded", message)
                asked = await self._asked(routed)
                if asked is not None:
                    return _own(routed, asked)
        finally:
            there.ends.forget(routed.expected)

    async def _asked(self, routed: _Routed) -> RequestEnd | None:
        try:
            return await ask_end(
                self._link.connected.client,
                routed.request,
                routed.epoch,
                sender=routed.sender,
                receiver=self._link.agent,
                timeout=_ASK_SECONDS,
            )
        except KvferryError as error:
            if is_away(error) or error.code == "inconsistent_reply":
                return None
            raise


def _own(routed: _Routed, end: RequestEnd) -> RequestEnd:
    """A name can be used again by another run of the prefill agent."""
    if end.epoch != routed.epoch:
        raise KvferryError("sender_lost", f"agent {routed.sender} was restarted while it sent {routed.request}")
    return end.check_ready()


def _is_problem(task: asyncio.Task[RequestEnd]) -> bool:
    """A chunk that nobody offers is not worth a line: most prompts are new."""
    error = task.exception()
    return error is not None and not (isinstance(error, KvferryError) and error.code == "unknown_request")
