"""How messages travel: over NATS, or in one process (`kvferry.testing`)."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import nats
import nats.errors
from nats.aio.msg import Msg

from .errors import KvferryError
from .nats_access import AccessClient, NatsAccess
from .protocol.constants import MESSAGE_BYTES_MAX
from .protocol.subjects import ALL_TENANTS
from .waiting import give_up, set_within, within

log = logging.getLogger("kvferry")

CONNECT_SECONDS = 10.0
_ATTEMPT_SECONDS = 2
_RETRY_SECONDS = 0.2
_PING_SECONDS = 5
_PINGS_UNANSWERED_MAX = 2
_ANSWERS_MAX = 10_000
_FLUSH_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
_DENIED = "permissions violation"
_UNPUBLISHED = re.compile(r'permissions violation for publish to "(.+)"')
"""The NATS client writes it in lower case."""
_UNSUBSCRIBED = re.compile(r'permissions violation for subscription to "(.+)"')
_INBOXES = "_inbox_client"
_REMEDY = "use credentials whose role, agent and tenant allow it (kvferry keys issue)"
_DENIALS_MAX = 64
"""Different ones that are logged for one connection."""


@dataclass(frozen=True)
class Message:
    subject: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    reply: str = ""


Handler = Callable[[Message], None]


class Subscription(Protocol):
    async def close(self) -> None: ...


class Transport(Protocol):
    """Handlers run one after the other, in the order in which messages arrive, and must not wait."""

    @property
    def is_connected(self) -> bool: ...

    @property
    def message_bytes_max(self) -> int: ...

    async def request(
        self, subject: str, body: bytes, timeout: float, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Raises `no_responders`, `publication_refused` (NATS did not pass it on), `subscription_refused` (no answer
        may come), `deadline_exceeded`, `disconnected`, `closed` or `message_too_large`."""

    async def request_all(self, subject: str, body: bytes, seconds: float, enough: int | None = None) -> list[bytes]:
        """Every answer that comes within that time; earlier when there are `enough`. Raises as `request`."""

    async def publish(self, subject: str, body: bytes, headers: Mapping[str, str] | None = None) -> None: ...

    async def subscribe(self, subject: str, handler: Handler) -> Subscription: ...

    def on_connection(self, listener: Callable[[bool], None]) -> None:
        """Calls `listener` with whether there is a connection, each time that this changes."""

    async def flush(self) -> None:
        """Returns when the server has every message and subscription before it."""

    async def close(self) -> None: ...


async def connect_nats(
    servers: str | list[str], name: str, timeout: float, access: NatsAccess, options: dict[str, Any]
) -> NatsTransport:
    """Connects. `options` are further ones of `nats.connect`. Raises `disconnected` after `timeout` seconds, and
    `invalid_configuration` when `access` is not valid."""
    access.check()
    listed = servers.split(",") if isinstance(servers, str) else list(servers)
    transport = NatsTransport(AccessClient(access, listed))
    settings: dict[str, Any] = {
        "connect_timeout": _ATTEMPT_SECONDS,
        "reconnect_time_wait": _RETRY_SECONDS,
        "max_reconnect_attempts": -1,
        "ping_interval": _PING_SECONDS,
        "max_outstanding_pings": _PINGS_UNANSWERED_MAX,
        **options,
    }
    try:
        await within(timeout, "no NATS server accepts", transport.open(listed, name, settings))
    except (KvferryError, OSError, nats.errors.Error) as error:
        await transport.close()
        shown = ", ".join(without_password(server) for server in listed)
        reason = transport.refusal or str(error)
        message = f"no connection to NATS at {shown}: {reason}{access.remedy(reason)}"
        raise KvferryError("disconnected", message) from error
    return transport


def without_password(server: str) -> str:
    """The URL of a server for messages and logs: without the user, the password or the token in it."""
    scheme, separator, rest = server.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


class NatsTransport:
    def __init__(self, client: AccessClient) -> None:
        self._nats = client
        self.refusal = ""
        """What the last server said that did not accept the connection."""
        self._listeners: list[Callable[[bool], None]] = []
        self._requests: dict[asyncio.Future[Msg], str] = {}
        """Questions that wait for their answer, and their subjects."""
        self._collecting: dict[asyncio.Event, str] = {}
        """The same, for questions to several."""
        self._unpublished: set[object] = set()
        """Questions that NATS did not pass on."""
        self._refused_inbox = ""
        """Where answers should come, and NATS lets none come. The NATS client asks once for each connection."""
        self._subscriptions: set[_NatsSubscription] = set()
        self._unsubscribed: set[str] = set()
        """Subjects from which NATS lets no message come, in lower case."""
        self._denials: set[str] = set()
        self._is_closed = False

    async def open(self, servers: list[str], name: str, settings: dict[str, Any]) -> None:
        await self._nats.connect(
            servers=servers,
            name=name,
            disconnected_cb=self._disconnected,
            reconnected_cb=self._reconnected,
            error_cb=self._failed,
            **(self._nats.settings() | settings),
        )

    @property
    def is_connected(self) -> bool:
        return not self._is_closed and self._nats.is_connected

    @property
    def message_bytes_max(self) -> int:
        return min(MESSAGE_BYTES_MAX, self._nats.max_payload)

    async def request(
        self, subject: str, body: bytes, timeout: float, headers: Mapping[str, str] | None = None
    ) -> bytes:
        self._check(subject, body)
        if self._refused_inbox:
            raise self._disconnection()
        asked = self._nats.request(subject, body, timeout=timeout, headers=dict(headers) if headers else None)
        task = asyncio.ensure_future(asked)
        self._requests[task] = subject
        try:
            await asyncio.wait({task}, timeout=timeout + 1)
            if not task.done():
                raise nats.errors.TimeoutError
            return task.result().data
        except nats.errors.NoRespondersError:
            raise KvferryError("no_responders", f"{subject} has no subscriber: does the agent run?") from None
        except nats.errors.TimeoutError:
            raise KvferryError("deadline_exceeded", f"{subject} was not answered within {timeout:g} s") from None
        except asyncio.CancelledError:
            if task in self._requests:
                raise
            if task in self._unpublished:
                raise _refused(subject) from None
            raise self._disconnection() from None
        except (nats.errors.Error, OSError) as error:
            raise KvferryError("disconnected", f"{subject} was not sent: {error!r}") from error
        finally:
            self._requests.pop(task, None)
            self._unpublished.discard(task)
            give_up(task)

    async def request_all(self, subject: str, body: bytes, seconds: float, enough: int | None = None) -> list[bytes]:
        self._check(subject, body)
        answers: list[bytes] = []
        is_enough = asyncio.Event()

        async def answered(message: Msg) -> None:
            if message.data and len(answers) < _ANSWERS_MAX:
                answers.append(message.data)
            if len(answers) == enough:
                is_enough.set()

        inbox = self._nats.new_inbox()
        subscription = _NatsSubscription(await self._nats.subscribe(inbox, cb=answered), set())
        try:
            self._collecting[is_enough] = subject
            await self._nats.publish(subject, body, reply=inbox)
            await set_within(is_enough, seconds)
            if is_enough in self._unpublished:
                raise _refused(subject)
        finally:
            self._collecting.pop(is_enough, None)
            self._unpublished.discard(is_enough)
            await subscription.close()
        return answers

    async def publish(self, subject: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._check(subject, body)
        try:
            await self._nats.publish(subject, body, headers=dict(headers) if headers else None)
        except (nats.errors.Error, OSError) as error:
            raise KvferryError("disconnected", f"{subject} was not sent: {error!r}") from error

    async def subscribe(self, subject: str, handler: Handler) -> Subscription:
        if self._is_closed:
            raise self._disconnection()

        async def deliver(message: Msg) -> None:
            handler(Message(message.subject, message.data, message.headers or {}, message.reply))

        self._unsubscribed.discard(subject.lower())
        subscription = _NatsSubscription(await self._nats.subscribe(subject, cb=deliver), self._subscriptions)
        self._subscriptions.add(subscription)
        return subscription

    def on_connection(self, listener: Callable[[bool], None]) -> None:
        self._listeners.append(listener)

    async def flush(self) -> None:
        if not self.is_connected:
            raise self._disconnection()
        try:
            await within(_FLUSH_SECONDS, "NATS did not confirm the published messages", self._nats.flush())
        except (nats.errors.Error, OSError) as error:
            raise KvferryError("disconnected", f"NATS did not confirm the published messages: {error!r}") from error
        for subject in sorted(subscription.subject for subscription in self._subscriptions):
            if subject.lower() in self._unsubscribed:
                message = f"NATS refuses this user the subscription to {subject}: {_REMEDY}"
                raise KvferryError("subscription_refused", message)

    async def close(self) -> None:
        self._is_closed = True
        self._end_requests()
        try:
            await within(_CLOSE_SECONDS, "NATS did not close", self._nats.close())
        except (KvferryError, nats.errors.Error, OSError) as error:
            log.warning("the connection to NATS did not close cleanly: %r", error)

    def _check(self, subject: str, body: bytes) -> None:
        if not self.is_connected:
            raise self._disconnection()
        if len(body) > self.message_bytes_max:
            message = (
                f"a message of {len(body)} bytes to {subject} is larger than the limit of {self.message_bytes_max}: "
                "send smaller batches, or fewer keys"
            )
            raise KvferryError("message_too_large", message)

    def _disconnection(self) -> KvferryError:
        if self._is_closed:
            return KvferryError("closed", "the client is closed")
        if self._refused_inbox:
            why = (
                "answers come to an inbox with the name of the user, which the file of nats_creds has: leave inbox out"
            )
            return KvferryError(
                "subscription_refused", f"NATS refuses the subscription to {self._refused_inbox}: {why}"
            )
        return KvferryError("disconnected", "the connection to NATS is broken")

    def _end_requests(self) -> None:
        requests, self._requests = self._requests, {}
        for request in requests:
            request.cancel()

    async def _disconnected(self) -> None:
        self._refused_inbox = ""
        self._unsubscribed.clear()
        self._nats.renew()
        self._end_requests()
        if not self._is_closed:
            log.warning("NATS is disconnected")
            self._report(False)

    async def _reconnected(self) -> None:
        log.info("NATS is connected again")
        self._report(True)

    async def _failed(self, error: Exception) -> None:
        # A server that refuses may close the connection before its reason is read: then an earlier reason stays.
        is_cut_off = isinstance(error, (ConnectionResetError, BrokenPipeError))
        if not self._nats.is_connected and not (self.refusal and is_cut_off):
            self.refusal = str(error)
        if _DENIED in str(error).lower():
            self._denied(str(error))
        log.debug("NATS reported an error: %r", error)

    def _denied(self, why: str) -> None:
        """A message that NATS does not pass on has no answer. Each denial is logged once."""
        found = _UNPUBLISHED.search(why.lower())
        if found:
            self._end_unpublished(found.group(1))
        unsubscribed = _UNSUBSCRIBED.search(why.lower())
        if unsubscribed and unsubscribed.group(1).startswith(_INBOXES):
            self._refused_inbox = unsubscribed.group(1)
            self._end_requests()
        elif unsubscribed:
            self._unsubscribed.add(unsubscribed.group(1))
        if why not in self._denials and len(self._denials) < _DENIALS_MAX:
            self._denials.add(why)
            log.warning("the user of this program has not the right: %s", why)

    def _end_unpublished(self, subject: str) -> None:
        # An earlier question to the subject may have arrived, so the latest one is meant.
        latest = next((task for task, asked in reversed(self._requests.items()) if asked.lower() == subject), None)
        if latest is not None:
            del self._requests[latest]
            self._unpublished.add(latest)
            latest.cancel()
        for enough, asked in self._collecting.items():
            if asked.lower() == subject:
                self._unpublished.add(enough)
                enough.set()

    def _report(self, is_connected: bool) -> None:
        for listener in self._listeners:
            listener(is_connected)


def _refused(subject: str) -> KvferryError:
    remedy = _REMEDY
    if f".{ALL_TENANTS}." in subject:
        remedy = "only observers and operators ask for all tenants: connect with `tenant`, also when it is 'default'"
    return KvferryError("publication_refused", f"NATS refuses this user the right to publish to {subject}: {remedy}")


class _NatsSubscription:
    def __init__(self, subscription: Any, among: set[_NatsSubscription]) -> None:
        self._subscription = subscription
        self._among = among
        self.subject: str = subscription.subject

    async def close(self) -> None:
        self._among.discard(self)
        try:
            await self._subscription.unsubscribe()
        except nats.errors.Error as error:
            log.debug("a subscription was not ended, because the connection is gone: %r", error)
