"""One session with one process of a prefill agent: numbers its orders, repeats an order under its number when no
answer came, and finds out what became of an order that it gave up (docs/guide/sessions.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .errors import KvferryError
from .waiting import in_background, now, pause

if TYPE_CHECKING:
    from .client import Client

_PAUSE = 0.05
"""Seconds between two attempts."""
_SETTLE_PAUSE = 0.5
"""Seconds between two attempts to find out what became of an order."""
_UNANSWERED_MAX = 32
"""Unanswered orders of one session. The agent lets 64 of them wait."""

State = Literal["executed", "never", "lost"]
"""What became of an order that was given up. `lost`: not known, and `sources` tells what is left of it. Without its
session, its process may still execute it."""


@dataclass(frozen=True)
class SessionRef:
    """A session, and the process that has opened it."""

    id: str
    epoch: str


@dataclass(frozen=True)
class Outcome:
    """`reply`: the order was executed. Otherwise `error` says why not."""

    reply: dict[str, Any] | None = None
    error: KvferryError | None = None
    doubt: Awaitable[State] | None = None
    """Present when the agent may have executed the order all the same, or may still: gives the state when that is
    known."""

    def result(self) -> dict[str, Any]:
        if self.reply is not None:
            return self.reply
        raise self.failure

    @property
    def failure(self) -> KvferryError:
        return self.error if self.error is not None else KvferryError("internal", "the order was executed")


@dataclass(frozen=True)
class Order:
    operation: str
    fields: Mapping[str, object]
    until: float
    """Until when attempts are made, by `now`."""
    timeout: float
    """For one answer. Seconds."""
    headers: Mapping[str, str] | None = None


class OrderSession:
    """Owned by the event loop that made it."""

    def __init__(
        self, client: Client, agent: str, ref: SessionRef, *, timeout: float, on_lost: Callable[[OrderSession], None]
    ) -> None:
        self.ref = ref
        self.is_lost = False
        self._client = client
        self._agent = agent
        self._timeout = timeout
        self._on_lost = on_lost
        self._is_closed = False
        self._next = 0
        self._room = asyncio.Semaphore(_UNANSWERED_MAX)

    def lose(self) -> None:
        """This session takes no order from now on."""
        if not self.is_lost:
            self.is_lost = True
            self._on_lost(self)

    def close(self) -> None:
        """Asks no more what became of orders."""
        self._is_closed = True

    async def send(self, order: Order) -> Outcome:
        """Sends one order. Its number is free for others only when it is known that the order was not executed."""
        async with self._room:
            return await _Attempts(self, order).outcome()

    def take_number(self) -> int:
        self._next += 1
        return self._next - 1

    async def attempt(self, order: Order, number: int) -> dict[str, Any]:
        fields = {**order.fields, "session": self.ref.id, "order": number}
        return await self._client.call(
            self._agent, order.operation, fields, timeout=order.timeout, headers=order.headers
        )

    async def bar(self, number: int) -> State:
        """Asks until it is known whether that number was executed."""
        while not self.is_lost and not self._is_closed:
            try:
                reply = await self._client.barrier(
                    self._agent, session=self.ref.id, order=number + 1, timeout=self._timeout
                )
                return "never" if number in reply["barred"] else "executed"
            except KvferryError as error:
                if is_session_over(error):
                    self.lose()
                elif error.code == "closed":
                    return "lost"
                else:
                    await pause(_SETTLE_PAUSE)
        return "lost"

    def lost_error(self, error: KvferryError) -> KvferryError:
        """Why an order failed that was sent, and whose session was lost before it was answered."""
        if error.code == "session_ended":
            return error
        message = f"agent {self._agent} was restarted before it answered: use another request id"
        return KvferryError("sender_lost", message)

    @property
    def is_connected(self) -> bool:
        return self._client.is_connected


class _Attempts:
    def __init__(self, session: OrderSession, order: Order) -> None:
        self._session = session
        self._order = order
        self._number = session.take_number()
        self._may_be_executed = False

    async def outcome(self) -> Outcome:
        try:
            while (outcome := await self._outcome_of_attempt()) is None:
                await pause(_PAUSE)
            return outcome
        except asyncio.CancelledError:
            # Also between two attempts. The number must not stay open, or no later order is executed.
            self._may_be_executed = True
            in_background(self._settled())
            raise

    async def _outcome_of_attempt(self) -> Outcome | None:
        """None: another attempt follows."""
        try:
            return Outcome(reply=await self._attempt())
        except KvferryError as error:
            if is_session_over(error):
                return self._over(error)
            if error.code == "order_forgotten":
                # The agent has executed an earlier copy, and does not remember with which result.
                return Outcome(error=error, doubt=_known("lost"))
            if _is_answer(error):
                return self._refused(error)
            if not _is_passing(error) or now() >= self._order.until or self._session.is_lost:
                return self._given_up(error)
            return None

    async def _attempt(self) -> dict[str, Any]:
        # While NATS is away the message is refused here, and no agent can execute it.
        is_sent = self._session.is_connected
        try:
            return await self._session.attempt(self._order, self._number)
        except KvferryError as error:
            if error.code == "order_barred":
                self._number = self._session.take_number()
                self._may_be_executed = False
            elif is_sent and not error.answered and error.code not in ("no_responders", "message_too_large"):
                self._may_be_executed = True
            raise

    def _over(self, error: KvferryError) -> Outcome:
        self._session.lose()
        if not self._may_be_executed:
            return Outcome(error=error)
        return Outcome(error=self._session.lost_error(error), doubt=_known("lost"))

    def _refused(self, error: KvferryError) -> Outcome:
        # The agent may have refused the message without taking its number, which would stop every later order.
        in_background(self._session.bar(self._number))
        return Outcome(error=error)

    def _given_up(self, error: KvferryError) -> Outcome:
        # Without doubt nobody waits for it: it only frees the number.
        settled = in_background(self._settled())
        if self._session.is_lost:
            error = self._session.lost_error(error)
        return Outcome(error=error, doubt=settled if self._may_be_executed else None)

    async def _settled(self) -> State:
        while True:
            try:
                state = await self._session.bar(self._number)
                if state == "executed":
                    # The agent remembers its answer.
                    await self._session.attempt(self._order, self._number)
                return state
            except KvferryError as error:
                if is_session_over(error):
                    self._session.lose()
                elif error.code in ("order_forgotten", "closed"):
                    return "lost"
                elif _is_answer(error):
                    return "never"
            await pause(_SETTLE_PAUSE)


async def _known(state: State) -> State:
    return state


def is_session_over(error: KvferryError) -> bool:
    return error.code in ("unknown_session", "session_ended")


def is_away(error: KvferryError) -> bool:
    """No answer came, or the agent is away just now."""
    return error.code in ("deadline_exceeded", "disconnected", "no_responders", "publication_refused")


def _is_passing(error: KvferryError) -> bool:
    """No answer came, or the number is open. An agent may answer `disconnected` too, and answers that again to the same
    number."""
    return _is_of_number(error) or (not error.answered and is_away(error))


def _is_answer(error: KvferryError) -> bool:
    """The answer of the agent to this order, and not to its number. An answer that cannot be read leaves it open."""
    return error.answered and not _is_of_number(error)


def _is_of_number(error: KvferryError) -> bool:
    """Orders before this one are missing, or too many wait."""
    return error.code in ("order_out_of_turn", "order_barred", "too_many_orders")
