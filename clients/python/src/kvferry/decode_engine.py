"""The engine's side of a decode agent: acquires what has arrived, reads it in the arena, and releases it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from .acquired import Acquired, Page
from .arena import Arena
from .batches import in_messages
from .errors import KvferryError, invalid_field
from .orders import is_away
from .protocol.codec import json_bytes
from .protocol.constants import ACQUIRE_KEYS_MAX
from .waiting import in_background, now, pause

if TYPE_CHECKING:
    from .client import Client
    from .protocol.messages import AcquireReply

log = logging.getLogger("kvferry")

CALL_SECONDS = 2.0
PATIENCE_SECONDS = 10.0
_ROUTE_SECONDS = 5.0
"""For the answer to a route: the prefill agent looks the receiver up, for at least 2 s when nobody answers."""
_PAUSE = 0.05
_FRAME_BYTES = 512
"""What an `acquire` takes apart from its keys."""


class DecodeEngine:
    """Keeps the arena mapped for as long as its agent is the same process. Owned by one event loop."""

    def __init__(
        self, client: Client, agent: str, *, call_timeout: float = CALL_SECONDS, patience: float = PATIENCE_SECONDS
    ) -> None:
        """`call_timeout`: for one answer. `patience`: how long a message without an answer is repeated. Seconds."""
        self.agent = agent
        self._client = client
        self._call_timeout = call_timeout
        self._patience = patience
        self._arena: Arena | None = None
        self._releasing: dict[tuple[str, str], asyncio.Task[Any]] = {}
        """Releases that go on in the background, by the request and epoch of their leases."""

    @asynccontextmanager
    async def acquire(self, request: str, epoch: str, keys: Sequence[str] | None = None) -> AsyncIterator[Acquired]:
        """Leases the pages of a request that is ready, in the order of `keys` (default: all chunks, in the order of
        the agent). Releases all leases of the request in the end. `request` and `epoch` are those of its end.

        Raises `request_active` before the request has ended, `request_ended` when it was not ready or its leases
        are over, `unknown_request` and `receiver_lost` when the agent was restarted, and as the client does."""
        replies: list[AcquireReply] = []
        try:
            acquired = await self._take(request, epoch, keys, replies)
        except BaseException as error:
            is_refused = isinstance(error, KvferryError) and error.answered
            if replies or not is_refused:
                # The agent has leased pages, or it may have: its answer was lost, or the caller was cancelled.
                self._begin_release(request, epoch, self._let_go(request, epoch))
            raise
        try:
            yield acquired
        finally:
            acquired.close()
            await self._let_go(request, epoch)

    @asynccontextmanager
    async def lookup(self, keys: Sequence[str]) -> AsyncIterator[Acquired]:
        """Leases those chunks that are in the arena, whichever request brought them. `missing` lists the others."""
        async with self.acquire(f"lookup-{secrets.token_hex(8)}", secrets.token_hex(8), keys) as acquired:
            yield acquired

    async def route(
        self, request: str, sender: str, *, epoch: str | None = None, timeout: float | None = None, skip: int = 0
    ) -> str:
        """Has a request sent here that its prefill engine has offered at the agent `sender`. Returns the epoch,
        with which the request is acquired when it is ready: expect its end before. `timeout`: seconds for the
        transfer (default: what is left of the offer). `skip`: so many chunks at the beginning of the prompt do not
        travel. Raises `already_routed` when it was sent to another agent or without chunks that are wanted here,
        `unknown_request` when it was not put yet or `sender` was restarted, `request_ended`, and as the client
        does."""
        fields: dict[str, object] = {"request": request, "receiver": self.agent}
        if skip > 0:
            fields["skip"] = skip
        if epoch is not None:
            fields["epoch"] = epoch
        if timeout is not None:
            fields["timeoutMs"] = max(1, int(timeout * 1000))
        reply = await self._repeated(sender, "route", fields, max(self._call_timeout, _ROUTE_SECONDS))
        return str(reply["epoch"])

    async def take(self, request: str, epoch: str, keys: Sequence[str] | None = None) -> Acquired:
        """As `acquire`, and without an end: call `release`. Repeated, it renews the leases."""
        return await self._take(request, epoch, keys, [])

    async def _take(
        self, request: str, epoch: str, keys: Sequence[str] | None, replies: list[AcquireReply]
    ) -> Acquired:
        """`replies`: gets the answers of the agent, also when this raises."""
        if keys is not None and len(keys) == 0:
            raise invalid_field("keys", "no key was named")
        self._stop_release(request, epoch)
        asked_at = now()
        if keys is None:
            await self._ask(request, epoch, None, replies)
        else:
            room = self._client.message_bytes_max - _FRAME_BYTES
            unique = list(dict.fromkeys(keys))
            for part in in_messages(unique, ACQUIRE_KEYS_MAX, lambda key: len(json_bytes(key)), room):
                await self._ask(request, epoch, part, replies)
        arena = self._mapped(replies)
        found = {page.key: page for reply in replies for page in _pages(reply, arena)}
        order = list(found) if keys is None else keys
        missing = [key for key in order if key not in found]
        return Acquired(
            request,
            epoch,
            pages=[found[key] for key in order if key in found],
            missing=missing,
            arena=arena,
            leased_until=asked_at + min(reply["leaseMs"] for reply in replies) / 1000,
        )

    async def release(self, request: str, epoch: str) -> None:
        """Gives all leases back, read or not. Returns too when there is nothing left to give back. Raises as the
        client does."""
        try:
            await self._repeated(self.agent, "release", {"request": request, "epoch": epoch})
        except KvferryError as error:
            if error.code not in ("unknown_request", "request_ended"):
                raise

    async def _let_go(self, request: str, epoch: str) -> None:
        """Does not wait for an agent that is away: its leases end by time, and what was read is right."""
        try:
            await self._client.release(self.agent, request=request, epoch=epoch, timeout=self._call_timeout)
        except KvferryError as error:
            if is_away(error):
                self._begin_release(request, epoch, self._release_later(request, epoch))
            elif error.code not in ("unknown_request", "request_ended"):
                log.warning("the leases of request %s at %s end by time: %s", request, self.agent, error)

    def _begin_release(self, request: str, epoch: str, work: Coroutine[Any, Any, None]) -> None:
        holder = (request, epoch)
        self._stop_release(*holder)
        task = self._releasing[holder] = in_background(work)

        def ended(_: asyncio.Task[None]) -> None:
            if self._releasing.get(holder) is task:
                del self._releasing[holder]

        task.add_done_callback(ended)

    def _stop_release(self, request: str, epoch: str) -> None:
        """A release that is sent after an `acquire` of the same holder would end the leases that it has got."""
        task = self._releasing.pop((request, epoch), None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    async def _release_later(self, request: str, epoch: str) -> None:
        try:
            await self.release(request, epoch)
        except KvferryError as error:
            log.warning("the leases of request %s at %s end by time: %s", request, self.agent, error)

    async def _ask(self, request: str, epoch: str, keys: list[str] | None, replies: list[AcquireReply]) -> None:
        """An answer has as many keys as fit, and names the place where the next one goes on."""
        start = 0
        while True:
            fields: dict[str, object] = {"request": request, "epoch": epoch}
            if keys is not None:
                fields["keys"] = keys
            if start > 0:
                fields["from"] = start
            reply = cast("AcquireReply", await self._repeated(self.agent, "acquire", fields))
            replies.append(reply)
            follows = reply.get("next")
            if follows is None:
                return
            if follows <= start:
                raise _inconsistent("next", f"next is {follows} after {start}")
            start = follows

    async def _repeated(
        self, agent: str, operation: str, fields: Mapping[str, object], timeout: float | None = None
    ) -> dict[str, object]:
        """For messages whose second copy changes nothing: sent again when no answer came."""
        until = now() + self._patience
        while True:
            try:
                return await self._client.call(agent, operation, fields, timeout=timeout or self._call_timeout)
            except KvferryError as error:
                if not is_away(error) or now() >= until:
                    raise
            await pause(_PAUSE)

    def _mapped(self, replies: Sequence[AcquireReply]) -> Arena:
        place = replies[0]["arena"]
        if any(reply["arena"]["epoch"] != place["epoch"] for reply in replies):
            raise KvferryError("receiver_lost", f"agent {self.agent} was restarted during acquire")
        if self._arena is None or self._arena.epoch != place["epoch"]:
            self._arena = Arena(place)
        return self._arena


def _pages(reply: AcquireReply, arena: Arena) -> list[Page]:
    keys, pages, generations, lengths = reply["keys"], reply["pages"], reply["generations"], reply["lengths"]
    if not len(keys) == len(pages) == len(generations) == len(lengths):
        raise _inconsistent("pages", f"{len(keys)} keys, {len(pages)} pages, {len(lengths)} lengths")
    found = []
    for key, page, generation, length in zip(keys, pages, generations, lengths, strict=True):
        if page >= arena.pages or length > arena.page_bytes:
            raise _inconsistent("pages", f"page {page} with {length} bytes is not in the arena")
        found.append(Page(key, page, generation, arena.view(page, length)))
    return found


def _inconsistent(field: str, what: str) -> KvferryError:
    return KvferryError("inconsistent_reply", f"the answer to acquire does not fit together: {what}", field=field)
