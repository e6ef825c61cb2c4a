"""The session of an engine with its prefill agent, over restarts of the agent: opens a session, keeps it open, and
opens the next one when it is lost."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import KvferryError
from .orders import Order, OrderSession, Outcome, SessionRef, is_away, is_session_over
from .waiting import in_background, now, pause

if TYPE_CHECKING:
    from .client import Client
    from .protocol.messages import Heartbeat
    from .transport import Subscription

_RENEWALS = 4
"""Calls that keep the session open, during one silence."""
_OPEN_PAUSE = 0.2
_OPEN_REFUSED_PAUSE = 1.0
_AGAIN_PAUSE = 0.05
"""Before an order is sent in the next session."""
_SET_UP_SECONDS = 10.0
_END_PATIENCE = 5.0
_END_PAUSE = 0.05

SetUp = Callable[[OrderSession, float, bool], Awaitable[None]]
"""Sends the first orders of a session, until that time. The last argument: it is the first session of this engine."""


@dataclass(frozen=True)
class SessionOptions:
    client: Client
    agent: str
    holder: str
    """Name of the engine, for people."""
    set_up: SetUp
    on_lost: Callable[[SessionRef], None]
    """A session is over. The next one is being opened."""
    call_timeout: float
    """For one answer. Seconds."""
    patience: float
    """How long the agent or an answer may be away before a call is given up. Seconds."""
    silent: float
    """The agent ends the session after this silence. Seconds."""


class EngineSession:
    """Owned by the event loop that made it. `open` it, and `end` it."""

    def __init__(self, options: SessionOptions) -> None:
        self._options = options
        self._current: OrderSession | None = None
        self._ending: OrderSession | None = None
        """The last session, which `end` ends."""
        self._former_epoch: str | None = None
        self._opening: asyncio.Task[OrderSession] | None = None
        self._open_failure: KvferryError | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._subscription: Subscription | None = None
        self._forget = options.client.on_close(self._close)
        self._is_closed = False

    @property
    def current(self) -> SessionRef | None:
        """The session that orders go to. None while it is being opened."""
        return None if self._current is None else self._current.ref

    @property
    def latest(self) -> SessionRef | None:
        """The session that takes orders, or took the last ones before `end`. None while another one is being opened."""
        session = self._current or self._ending
        return None if session is None else session.ref

    async def open(self) -> None:
        """Raises the agent's refusal, and `no_responders` or as the client does when the patience is over."""
        options = self._options
        try:
            self._subscription = await options.client.on_heartbeat(options.agent, self._heard)
            await options.client.flush()
            self._current = await self._open(True, now() + options.patience)
            self._renewing = in_background(self._renew_always())
        except BaseException:
            self._close()
            raise

    async def order(
        self,
        operation: str,
        fields: Mapping[str, object],
        *,
        only: SessionRef | None = None,
        patience: float | None = None,
        headers: Mapping[str, str] | None = None,
        on_sending: Callable[[SessionRef], None] | None = None,
    ) -> Outcome:
        """Has one order executed: in this session, or in the next one when this one is lost before the agent
        executed it. `only`: no other session may execute it, because it goes on with something that was begun
        there."""
        options = self._options
        until = now() + (options.patience if patience is None else patience)
        while True:
            try:
                session = await self._ready(until)
            except KvferryError as error:
                return Outcome(error=error)
            if only is not None and only != session.ref:
                return Outcome(error=self._over_since(only, session.ref))
            if on_sending is not None:
                on_sending(session.ref)
            outcome = await session.send(Order(operation, fields, until, options.call_timeout, headers))
            if outcome.error is None or outcome.doubt is not None:
                return outcome
            # An answer of the agent counts. Without one, the agent that gives its name up has not received the order.
            if not session.is_lost or (outcome.error.answered and not is_session_over(outcome.error)):
                return outcome
            if now() >= until and only is None:
                return outcome
            await pause(_AGAIN_PAUSE)

    async def end(self) -> bool:
        """Ends the session: its requests in progress are cancelled, its memory is given back. Raises
        `segment_in_use` when the agent still reads chunks 5 s later. Returns whether the agent has answered that it
        reads nothing: an agent that is away, or a next process of it, does not know that. Repeated, it asks again."""
        self._ending = session = self._current or self._ending
        self._close()
        if session is None or session.is_lost:
            return False
        options = self._options
        until = now() + _END_PATIENCE
        while True:
            try:
                reply = await options.client.end(options.agent, session=session.ref.id, timeout=options.call_timeout)
                if reply["chunksInUse"] == 0:
                    return True
                if now() >= until:
                    message = f"agent {options.agent} still reads {reply['chunksInUse']} chunks of this engine"
                    raise KvferryError("segment_in_use", message)
            except KvferryError as error:
                if error.code in ("unknown_session", "no_responders", "closed"):
                    return False
                if not is_away(error):
                    raise
                if now() >= until:
                    return False
            await pause(_END_PAUSE)

    def _heard(self, heartbeat: Heartbeat) -> None:
        # A process that drains, or had the name before, may still be heard.
        if heartbeat["draining"] or heartbeat["epoch"] == self._former_epoch or self._current is None:
            return
        if self._current.ref.epoch != heartbeat["epoch"]:
            self._current.lose()

    async def _ready(self, until: float) -> OrderSession:
        if self._is_closed:
            raise self._closed_error()
        if self._current is not None and not self._current.is_lost:
            return self._current
        if self._opening is None:
            self._opening = in_background(self._open_again())
        opening = self._opening
        await asyncio.wait({opening}, timeout=max(0.0, until - now()))
        if self._is_closed or opening.cancelled():
            raise self._closed_error()
        if opening.done() and not isinstance(opening.exception(), KvferryError):
            return opening.result()
        if self._open_failure is not None:
            raise self._open_failure
        message = f"agent {self._options.agent} has not opened a session in time"
        raise KvferryError("deadline_exceeded", message)

    async def _open_again(self) -> OrderSession:
        """Does not give up: an agent may be away for long."""
        try:
            session = await self._open(False, float("inf"))
        except KvferryError as error:
            self._open_failure = error
            raise
        self._opening = None
        self._open_failure = None
        if not session.is_lost:
            self._current = session
        return session

    async def _open(self, is_first: bool, until: float) -> OrderSession:
        options = self._options
        client, agent, timeout = options.client, options.agent, options.call_timeout
        identity = secrets.token_hex(8)
        silent_ms = int(options.silent * 1000)
        while not self._is_closed:
            is_open = False
            try:
                reply = await client.open(
                    agent, session=identity, holder=options.holder, silentMs=silent_ms, timeout=timeout
                )
                is_open = True
                ref = SessionRef(identity, reply["epoch"])
                session = OrderSession(client, agent, ref, timeout=timeout, on_lost=self._lost)
                await options.set_up(session, min(until, now() + _SET_UP_SECONDS), is_first)
                return session
            except asyncio.CancelledError:
                if is_open:
                    in_background(self._abandon(identity))
                raise
            except KvferryError as error:
                if error.code == "closed":
                    raise
                if is_open:
                    # A session whose first orders failed is not used again.
                    in_background(self._abandon(identity))
                if is_open or is_session_over(error):
                    identity = secrets.token_hex(8)
                passes = is_session_over(error) or is_away(error)
                if now() >= until or (is_first and not passes):
                    raise
                self._open_failure = error
                await pause(_OPEN_PAUSE if passes else _OPEN_REFUSED_PAUSE)
        raise self._closed_error()

    async def _abandon(self, identity: str) -> None:
        try:
            await self._options.client.end(self._options.agent, session=identity, timeout=self._options.call_timeout)
        except KvferryError:
            # The agent ends it after its silence.
            return

    def _lost(self, session: OrderSession) -> None:
        if self._current is not session or self._is_closed:
            return
        self._current = None
        self._former_epoch = session.ref.epoch
        self._options.on_lost(session.ref)
        if self._opening is None:
            self._opening = in_background(self._open_again())

    async def _renew_always(self) -> None:
        options = self._options
        while not self._is_closed:
            await pause(options.silent / _RENEWALS)
            session = self._current
            if session is None:
                continue
            try:
                await options.client.renew(options.agent, session=session.ref.id, timeout=options.call_timeout)
            except KvferryError as error:
                # Any other failure: the next renewal follows.
                if is_session_over(error):
                    session.lose()

    def _close(self) -> None:
        self._is_closed = True
        self._forget()
        if self._subscription is not None:
            in_background(self._subscription.close())
            self._subscription = None
        if self._renewing is not None:
            self._renewing.cancel()
        if self._opening is not None:
            self._opening.cancel()
        if self._current is not None:
            self._current.close()
        self._current = None

    def _over_since(self, began: SessionRef, present: SessionRef) -> KvferryError:
        agent = self._options.agent
        if began.epoch == present.epoch:
            message = f"agent {agent} has ended the session of this request: use another request id"
            return KvferryError("session_ended", message)
        message = f"agent {agent} was restarted since the request began: use another request id"
        return KvferryError("sender_lost", message)

    def _closed_error(self) -> KvferryError:
        options = self._options
        return KvferryError("closed", f"the session of {options.holder} with agent {options.agent} is closed")
