"""One request on its way out of a prefill agent: numbers the batches, repeats them safely, knows the epoch and the
end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .batches import cut_into_batches, source_runs
from .ends import RequestEnd, RequestEnds, ask_end
from .errors import KvferryError, invalid_field
from .orders import Outcome, SessionRef, State, is_away
from .protocol.constants import RANKS_BYTES_MAX, TIMEOUT_MS_MAX
from .waiting import in_background, now, pause

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from .client import Client
    from .lendings import Lendings
    from .protocol.constants import End
    from .protocol.messages import Ranks
    from .session import EngineSession
    from .source_pool import SourceChunk

_RECEIVER_PAUSE = 0.05
"""Seconds between two attempts while the receiver does not answer."""
_ANNOUNCE_GRACE = 10.0
"""A request is announced at its deadline; so many seconds later its event counts as lost."""
_ASK_PAUSE = 2.0
"""Seconds between two questions for the end, once the event may be lost."""


@dataclass(frozen=True)
class RequestPlan:
    request: str
    """The router's name for the prompt. Use a name once."""
    receiver: str | None
    """The decode agent. None: the chunks are offered, and `route` names it later."""
    total_chunks: int
    """Chunks of all batches together."""
    timeout: float
    """Time for the whole request, from the arrival of its first batch. Seconds."""
    ranks: Ranks | None = None
    """Only of a request over several tensor-parallel ranks."""
    headers: Mapping[str, str] | None = None
    """Go with every batch: the trace that the request belongs to."""


@dataclass(frozen=True)
class PutTarget:
    """What the streams of one engine share."""

    client: Client
    agent: str
    session: EngineSession
    ends: RequestEnds
    lendings: Lendings
    patience: float
    """How long an agent may be away before a put is given up; 0: one attempt. Seconds."""
    call_timeout: float


class PutStream:
    """Expects the terminal event from its making on. Made by `PrefillEngine.begin`."""

    def __init__(self, plan: RequestPlan, target: PutTarget) -> None:
        if plan.total_chunks < 0:
            raise invalid_field("total_chunks", f"{plan.total_chunks} chunks are no request")
        if not 0 < plan.timeout <= TIMEOUT_MS_MAX / 1000:
            message = f"a request may take more than 0 and at most {TIMEOUT_MS_MAX // 1000} s, not {plan.timeout} s"
            raise invalid_field("timeout", message)
        self.plan = plan
        self._target = target
        self._expected = target.ends.expect(plan.request, agents_of(plan, target.agent))
        self._outages = target.client.outages
        self._session: SessionRef | None = None
        self._sent_in: SessionRef | None = None
        self._batches = 0
        self._chunks = 0
        self._is_complete = False
        self._turn = asyncio.Lock()
        self._failure: KvferryError | None = None
        self._confine(target.session.current)

    @property
    def epoch(self) -> str | None:
        """The process that has accepted the request. None before the first batch is accepted."""
        return None if self._session is None else self._session.epoch

    async def append(self, chunks: Sequence[SourceChunk], *, last: bool | None = None) -> str:
        """Hands over the next chunks; returns the epoch when the agent has accepted them. They are one batch, or
        several when one message cannot carry them. The batch that completes `total_chunks` is the last one unless
        `last` says otherwise. The agent may read the chunks from this call on, so do not write to them any more.

        A put without an answer is repeated for as long as the engine's patience; the agent executes it once. Raises
        the agent's error (`unknown_receiver`, `request_ended`, …), `sender_lost` when the agent was restarted since
        the request began, `session_ended` when the agent has ended the session, or as the client does. Then no
        further batch is taken."""
        put = in_background(self._append(chunks, last))
        try:
            return await asyncio.shield(put)
        except KvferryError as error:
            self._failure = self._failure or error
            raise
        except asyncio.CancelledError:
            # The put goes on: the agent may have it, and its memory must come back.
            message = f"a put of request {self.plan.request} was cancelled by its caller"
            self._failure = self._failure or KvferryError("cancelled_by_caller", message)
            raise

    async def finish(self) -> None:
        """Every chunk was appended. Puts an empty last batch, unless the last batch was marked."""
        if self._is_complete:
            return
        if self._chunks != self.plan.total_chunks:
            message = f"request {self.plan.request} has {self._chunks} of {self.plan.total_chunks} chunks"
            raise invalid_field("total_chunks", message)
        await self.append([], last=True)

    async def cancel(self) -> End | None:
        """Gives the request up, after the batch that is being put. A later `append` raises `cancelled_by_caller`.
        Returns the end if the request had ended. Otherwise the terminal event says what came of it; before the
        first batch there is none."""
        async with self._turn:
            was_begun = self._batches > 0 or self._failure is not None
            message = f"request {self.plan.request} was cancelled"
            self._failure = self._failure or KvferryError("cancelled_by_caller", message)
        if not was_begun:
            self._target.ends.forget(self._expected)
            return None
        outcome = await self._target.session.order("cancel", {"request": self.plan.request}, only=self._session)
        if outcome.error is None:
            end: End | None = outcome.result().get("end")
            return end
        if outcome.error.code in ("unknown_request", "sender_lost", "session_ended"):
            return None
        raise outcome.error

    async def end(self, timeout: float | None = None) -> RequestEnd:
        """Returns when the request has ended, however. When its event may be lost, the agents are asked. Raises
        `deadline_exceeded` when no end is known after `timeout` seconds (default: 10 s after the request's own
        time), and the failure of the first `append`, whose request has no end."""
        limit = self.plan.timeout + _ANNOUNCE_GRACE if timeout is None else timeout
        until = now() + limit
        overdue = now() + self.plan.timeout
        while True:
            if self._failure is not None and self._session is None and not self._expected.end.done():
                raise self._failure
            wait = min(_ASK_PAUSE, until - now())
            await asyncio.wait({self._expected.end}, timeout=max(0.0, wait))
            if self._expected.end.done():
                return self._expected.end.result()
            if self._may_be_lost(overdue) and (asked := await self._asked(until)) is not None:
                self._target.ends.forget(self._expected)
                return asked
            if now() >= until:
                self._target.ends.forget(self._expected)
                message = f"no agent announced the end of request {self.plan.request} within {limit:g} s"
                raise KvferryError("deadline_exceeded", message)

    async def ready(self, timeout: float | None = None) -> RequestEnd:
        """The end `ready`. Raises the reason of any other end, and as `end` does."""
        return (await self.end(timeout)).check_ready()

    def _may_be_lost(self, overdue: float) -> bool:
        """The event of the end. With several ranks the event counts, and not what one agent has recorded."""
        if self._session is None or self.plan.ranks is not None:
            return False
        is_over = self._target.session.current != self._session
        return is_over or self._target.client.outages != self._outages or now() >= overdue

    async def _asked(self, until: float) -> RequestEnd | None:
        target = self._target
        timeout = max(0.05, min(target.call_timeout, until - now()))
        request, epoch = self.plan.request, self._session.epoch if self._session is not None else ""
        try:
            return await ask_end(
                target.client, request, epoch, sender=target.agent, receiver=self.plan.receiver, timeout=timeout
            )
        except KvferryError as error:
            # The next attempt follows.
            if is_away(error) or error.code == "inconsistent_reply":
                return None
            raise

    async def _append(self, chunks: Sequence[SourceChunk], last: bool | None) -> str:
        async with self._turn:
            is_last = self._chunks + len(chunks) == self.plan.total_chunks if last is None else last
            batches = cut_into_batches(chunks, self.plan.ranks, self._room)
            epoch = ""
            for index, batch in enumerate(batches):
                try:
                    epoch = await self._put(batch, is_last and index == len(batches) - 1)
                except BaseException:
                    # The agent does not get the batches after the refused one.
                    self._target.lendings.discard([chunk for later in batches[index + 1 :] for chunk in later])
                    raise
            return epoch

    @property
    def _room(self) -> int:
        """Bytes of one message. Ranks may be named later, with the receiver."""
        later = RANKS_BYTES_MAX if self.plan.receiver is None else 0
        return self._target.client.message_bytes_max - later

    async def _put(self, chunks: Sequence[SourceChunk], last: bool) -> str:
        target, plan, batch = self._target, self.plan, self._batches
        if self._failure is not None:
            target.lendings.discard(chunks)
            raise self._failure
        message = self._message(batch, chunks, last)
        try:
            target.lendings.lend(plan.request, batch, chunks)
        except KvferryError:
            # Nothing was sent, so no event will announce an end.
            if batch == 0:
                target.ends.forget(self._expected)
            raise
        outcome = await self._ordered(batch, message)
        if outcome.error is not None:
            raise self._failed(batch, outcome)
        target.lendings.accepted(plan.request, batch)
        self._session = self._sent_in
        self._batches += 1
        self._chunks += len(chunks)
        self._is_complete = last
        epoch: str = outcome.result()["epoch"]
        return epoch

    def _message(self, batch: int, chunks: Sequence[SourceChunk], last: bool) -> dict[str, object]:
        plan = self.plan
        message: dict[str, object] = {
            "request": plan.request,
            "batch": batch,
            "last": last,
            "totalChunks": plan.total_chunks,
            "timeoutMs": max(1, int(plan.timeout * 1000)),
            "keys": [chunk.key for chunk in chunks],
            "source": source_runs(chunks),
        }
        if plan.receiver is not None:
            message["receiver"] = plan.receiver
        if plan.ranks is not None:
            message["ranks"] = plan.ranks
        return message

    async def _ordered(self, batch: int, message: Mapping[str, object]) -> Outcome:
        """A receiver that does not answer may be restarting: the batch is put again, as another order, while
        patience lasts."""
        target, plan = self._target, self.plan

        def sending(session: SessionRef) -> None:
            target.lendings.sending(plan.request, batch, session)
            self._confine(session)
            self._sent_in = session
            if batch == 0:
                self._expected.overdue_at = now() + target.patience + plan.timeout + _ANNOUNCE_GRACE

        until = now() + target.patience
        while True:
            outcome = await target.session.order(
                "put", message, only=self._session, headers=plan.headers, on_sending=sending
            )
            # An agent that is cut off from NATS answers `disconnected`.
            code = None if outcome.error is None else outcome.error.code
            passes = outcome.doubt is None and code in ("unknown_receiver", "disconnected")
            if not passes or now() >= until:
                return outcome
            await pause(_RECEIVER_PAUSE)

    def _failed(self, batch: int, outcome: Outcome) -> KvferryError:
        """Memory of the batch comes back now, or when it is known whether the agent took it."""
        target, request = self._target, self.plan.request
        if outcome.doubt is not None:
            target.lendings.doubtful(request, batch)
            in_background(self._settle(batch, outcome.doubt))
            return outcome.failure
        self._refused(batch)
        return outcome.failure

    def _refused(self, batch: int) -> None:
        self._target.lendings.refused(self.plan.request, batch)
        # The request has not begun, so no event will announce its end.
        if batch == 0:
            self._target.ends.forget(self._expected)

    async def _settle(self, batch: int, doubt: Awaitable[State]) -> None:
        """When it is lost what became of the batch, the engine asks the agent which memory it still reads. Without its
        session the batch stays doubtful: the agent may still have the order."""
        state = await doubt
        if state == "never":
            self._refused(batch)
        elif state == "executed" or self._sent_in == self._target.session.current:
            self._target.lendings.accepted(self.plan.request, batch)

    def _confine(self, session: SessionRef | None) -> None:
        """Only the process of this session can accept the request. Ranks of one request have several."""
        if session is not None and self.plan.ranks is None:
            self._expected.epoch = session.epoch


def agents_of(plan: RequestPlan, sender: str) -> list[str] | None:
    """The agents that send and receive the request. None while a router has not named the receiver."""
    if plan.receiver is None:
        return None
    members = plan.ranks["members"] if plan.ranks is not None else []
    return [sender, plan.receiver, *(name for one in members for name in (one["sender"], one["receiver"]))]
