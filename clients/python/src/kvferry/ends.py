"""How requests end, for routers and engines: the first terminal event of each request. NATS does not keep events,
so subscribe before the request is put, and ask (`ask_end`) when no event comes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from .errors import KvferryError, invalid_field
from .waiting import now, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .client import Client
    from .protocol.constants import End
    from .protocol.messages import Failure, Terminal
    from .protocol.observations import StatusReply, StatusReplyRequests
    from .transport import Subscription

_EXPECTED_MAX = 65_536


@dataclass(frozen=True)
class RequestEnd:
    """How a request ended."""

    request: str
    epoch: str
    """With `request` it names the leases of the decode engine."""
    end: End
    reason: Failure | None = None
    """None when the request is `ready`."""
    event: Terminal | None = None
    """None when the event was lost and an agent was asked."""

    def epoch_of(self, rank: int) -> str:
        """Of a request over several ranks: the epoch with which the decode engine of that rank acquires and
        releases. Raises `invalid_field` when the event does not name the rank."""
        for one in self.event.get("ranks", []) if self.event is not None else []:
            if one["rank"] == rank:
                return one["epoch"]
        raise invalid_field("rank", f"the end of request {self.request} names no rank {rank}")

    def check_ready(self) -> RequestEnd:
        """Raises the reason, unless the request is `ready`."""
        if self.end == "ready":
            return self
        code = self.reason["code"] if self.reason is not None else "internal"
        text = self.reason["message"] if self.reason is not None else "no reason was given"
        raise KvferryError(code, f"request {self.request} ended {self.end}: {text}")


@dataclass(eq=False)
class Expected:
    """The end that one caller expects."""

    request: str
    end: asyncio.Future[RequestEnd]
    epoch: str | None = None
    """The process that can accept the request. None: any, as far as the caller knows."""
    ends: RequestEnds | None = None
    agents: frozenset[str] | None = None
    """The agents that send and receive it. An event that names others does not count. None: any."""
    overdue_at: float = float("inf")
    """By `now`. An event that has not come by then is lost, and this may be forgotten."""

    async def wait(self, timeout: float) -> RequestEnd:
        """Raises `deadline_exceeded` when no agent announces the end within `timeout` seconds (ask with `ask_end`
        then), and `closed`. After that the end is not expected any more."""
        try:
            late = f"no agent announced the end of request {self.request} within {timeout:g} s"
            return await within(timeout, late, asyncio.shield(self.end))
        finally:
            if self.ends is not None:
                self.ends.forget(self)


class RequestEnds:
    """Make it with `open`. Owned by the event loop that made it."""

    def __init__(self, client: Client) -> None:
        self._expected: dict[str, list[Expected]] = {}
        self._count = 0
        self._subscription: Subscription | None = None
        self._forget = client.on_close(self._end_all)

    @classmethod
    async def open(cls, client: Client) -> RequestEnds:
        """Returns when the subscription is in force. Raises `subscription_refused` when NATS gives this user no right
        to it, and as the client does."""
        ends = cls(client)
        ends._subscription = await client.on_terminal(ends._ended, lambda request: request in ends._expected)
        try:
            await client.flush()
        except BaseException:
            await ends.close()
            raise
        return ends

    def expect(self, request: str, agents: Iterable[str] | None = None) -> Expected:
        """Call it before the request is put. `forget` it when nobody waits any more. `agents`: those that send and
        receive it, if the caller knows them all."""
        if self._count >= _EXPECTED_MAX:
            self._forget_overdue()
        if self._count >= _EXPECTED_MAX:
            message = f"{_EXPECTED_MAX} ends of requests are expected already: forget those that nobody waits for"
            raise KvferryError("too_many_requests", message)
        expected = Expected(
            request,
            asyncio.get_running_loop().create_future(),
            ends=self,
            agents=None if agents is None else frozenset(agents),
        )
        self._expected.setdefault(request, []).append(expected)
        self._count += 1
        return expected

    def forget(self, expected: Expected) -> None:
        callers = self._expected.get(expected.request, [])
        if expected not in callers:
            return
        callers.remove(expected)
        self._count -= 1
        if not callers:
            del self._expected[expected.request]

    async def close(self) -> None:
        """An expected end fails with `closed`. Idempotent."""
        self._end_all()
        if self._subscription is not None:
            await self._subscription.close()
            self._subscription = None

    def _forget_overdue(self) -> None:
        """Nobody may wait for an end any more whose event is lost."""
        time = now()
        for expected in [one for callers in self._expected.values() for one in callers]:
            if expected.overdue_at <= time:
                self.forget(expected)

    def _end_all(self) -> None:
        self._forget()
        for callers in list(self._expected.values()):
            for expected in list(callers):
                self.forget(expected)
                message = f"closed before the end of request {expected.request} was announced"
                if not expected.end.done():
                    expected.end.set_exception(KvferryError("closed", message))
                    # A caller that does not wait any more must not be warned about it.
                    expected.end.exception()

    def _ended(self, event: Terminal) -> None:
        for expected in list(self._expected.get(event["request"], [])):
            # The event of a request over several ranks has the epoch of rank 0, and a router may name the ranks late.
            if "lead" not in event and expected.epoch is not None and expected.epoch != event["epoch"]:
                # Another use of the request id.
                continue
            if expected.agents is not None and not expected.agents.issuperset(announcers_of(event)):
                continue
            self.forget(expected)
            if not expected.end.done():
                expected.end.set_result(of_event(event))


def announcers_of(event: Mapping[str, Any]) -> list[str]:
    """The agents that may announce the end of the request that an event is about."""
    return [event[agent] for agent in ("sender", "receiver", "lead") if agent in event]


async def _status(client: Client, agent: str, request: str, timeout: float | None) -> StatusReply:
    """As the tenant sees it: an engine or a router has no rights of operators."""
    fields = {"request": request, "lists": ["requests"]}
    return cast("StatusReply", await client.call(agent, "status", fields, timeout=timeout, tenant=client.tenant))


def of_event(event: Terminal) -> RequestEnd:
    return RequestEnd(event["request"], event["epoch"], event["end"], event.get("reason"), event)


async def ask_end(
    client: Client, request: str, epoch: str, *, sender: str, receiver: str | None, timeout: float | None = None
) -> RequestEnd | None:
    """Asks both agents (`receiver` is None: it was not named yet) for the recorded end. None: the request is in
    progress. When the process that accepted it is gone, and the decode agent does not know the request, it has
    `failed` with `sender_lost`. Not for requests over several ranks, whose event counts. Raises as the client does
    when an agent does not answer: ask again."""
    at_sender = await _status(client, sender, request, timeout)
    sent = _row(at_sender, epoch)
    is_gone = False
    if at_sender["epoch"] != epoch:
        sources = await client.sources(sender, request=request, timeout=timeout)
        # A process that has given up its name may still work.
        is_gone = sources["alone"] and sources["epoch"] != epoch
    received = None
    if receiver is not None:
        try:
            at_receiver = await _status(client, receiver, request, timeout)
            received = _row(at_receiver, epoch)
        except KvferryError:
            if sent is None or "end" not in sent:
                raise
    # The decode agent decides how a request ends.
    for row in (received, sent):
        if row is not None and "end" in row:
            return _recorded(row)
    if received is not None or not is_gone:
        return None
    message = f"the process of agent {sender} that took request {request} is gone, and no receiver knows it"
    return RequestEnd(request, epoch, "failed", {"code": "sender_lost", "message": message})


def _row(status: StatusReply, epoch: str) -> StatusReplyRequests | None:
    return next((row for row in status["requests"] if row["epoch"] == epoch), None)


def _recorded(row: StatusReplyRequests) -> RequestEnd:
    return RequestEnd(row["request"], row["epoch"], row["end"], row.get("reason"))
