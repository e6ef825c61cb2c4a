"""The messages of engines and routers. `PrefillEngine` and `DecodeEngine` send these messages for an engine."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from .errors import KvferryError, invalid_field
from .nats_access import NatsAccess
from .protocol import subjects
from .protocol.check import has_schema
from .protocol.codec import decode, decode_reply, encode
from .protocol.constants import NAME_BYTES_MAX
from .protocol.operations import Operations
from .transport import CONNECT_SECONDS, Message, Subscription, Transport, connect_nats

if TYPE_CHECKING:
    from typing_extensions import Self

    from .protocol.messages import Heartbeat, LookupReply, SourceReleased, Terminal
    from .protocol.observations import DescribeReply

log = logging.getLogger("kvferry")

CALL_SECONDS = 10.0
"""Time for one answer; long enough for an agent to register a large segment with its fabric."""
_NAME = re.compile(f"[A-Za-z0-9_-]{{1,{NAME_BYTES_MAX}}}")
_DISCOVER_SECONDS = 0.25


async def connect(
    servers: str | list[str] | None = None,
    *,
    name: str = "kvferry engine",
    connect_timeout: float = CONNECT_SECONDS,
    call_timeout: float = CALL_SECONDS,
    nats_creds: str | None = None,
    nats_nkey: str | None = None,
    nats_ca: str | None = None,
    nats_cert: str | None = None,
    nats_key: str | None = None,
    nats_tls: str | None = None,
    **nats_options: Any,
) -> Client:
    """Connects to NATS: default `KVFERRY_NATS_URL`, or this host. The files of `nats_creds` and the arguments after it
    (`NatsAccess`) are read again for every connection; what is not given comes from `KVFERRY_NATS_CREDS` and so on.
    `nats_options` are further ones of `nats.connect`. Raises `disconnected` when no server accepts within
    `connect_timeout` seconds, and `invalid_configuration`."""
    if servers is None:
        servers = os.environ.get("KVFERRY_NATS_URL", "nats://127.0.0.1:4222")
    access = NatsAccess.of_environment(
        {
            "creds": nats_creds,
            "nkey": nats_nkey,
            "ca": nats_ca,
            "cert": nats_cert,
            "key": nats_key,
            "tls": nats_tls,
        }
    )
    transport = await connect_nats(servers, name, connect_timeout, access, nats_options)
    return Client(transport, call_timeout=call_timeout)


class Client(Operations):
    """One method for each operation of an agent, and the events of agents. Each call has a deadline. Calls raise
    `KvferryError`: `no_responders`, `deadline_exceeded`, `disconnected`, `closed`, `message_too_large`,
    `inconsistent_reply`, or the code that the agent answered."""

    def __init__(self, transport: Transport, *, call_timeout: float = CALL_SECONDS) -> None:
        self._transport = transport
        self._call_timeout = call_timeout
        # Dictionaries keep the order in which listeners came.
        self._closers: dict[Callable[[], None], None] = {}
        self._listeners: dict[Callable[[bool], None], None] = {}
        self.outages = 0
        """How often the connection to NATS has broken: events may have been lost each time."""
        transport.on_connection(self._connection_changed)

    @property
    def is_connected(self) -> bool:
        return self._transport.is_connected

    @property
    def message_bytes_max(self) -> int:
        return self._transport.message_bytes_max

    async def call(
        self,
        agent: str,
        operation: str,
        fields: Mapping[str, object],
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, object]:
        """Any operation, by its name. `headers` name the trace that the message belongs to."""
        if not has_schema(f"{operation}Reply"):
            raise KvferryError("unknown_operation", f"this client has no operation {operation}")
        if _NAME.fullmatch(agent) is None:
            raise invalid_field("agent", f"{agent!r} is not the name of an agent")
        body = encode(fields)
        seconds = self._call_timeout if timeout is None else timeout
        answer = await self._transport.request(subjects.operation(agent, operation), body, seconds, headers)
        return decode_reply(operation, answer)

    async def discover(self, timeout: float = _DISCOVER_SECONDS) -> list[DescribeReply]:
        """Every agent whose answer comes within `timeout` seconds, by name."""
        return cast("list[DescribeReply]", await self._ask_all(subjects.DISCOVER, {}, "describe", timeout))

    async def lookup_all(
        self, keys: Sequence[str], agents: int | None = None, timeout: float = _DISCOVER_SECONDS
    ) -> list[LookupReply]:
        """Asks all agents with one message which prefix of a prompt they hold. The answers that come within `timeout`
        seconds, by name; earlier when `agents` agents have answered."""
        fields = {"keys": list(keys)}
        return cast("list[LookupReply]", await self._ask_all(subjects.LOOKUP, fields, "lookup", timeout, agents))

    async def _ask_all(
        self, subject: str, fields: Mapping[str, object], operation: str, timeout: float, enough: int | None = None
    ) -> list[dict[str, Any]]:
        """The answers of all agents, by name."""
        answers = await self._transport.request_all(subject, encode(fields), timeout, enough)
        return sorted((decode_reply(operation, answer) for answer in answers), key=lambda found: str(found["agent"]))

    async def on_terminal(
        self, handler: Callable[[Terminal], None], is_wanted: Callable[[str], bool] | None = None
    ) -> Subscription:
        """Terminal events, of all agents. The first one for a (`request`, `epoch`) counts. `is_wanted`: only those
        of requests for which it returns true; the others cost little."""

        def wants(event: Any) -> bool:
            return is_wanted is None or (isinstance(event, dict) and is_wanted(str(event.get("request"))))

        wanted = cast("Callable[[dict[str, Any]], None]", handler)
        return await self._on(subjects.TERMINALS, "terminal", wanted, wants)

    async def on_source_released(self, agent: str, handler: Callable[[SourceReleased], None]) -> Subscription:
        subject = subjects.source_released(agent)
        return await self._on(subject, "sourceReleased", cast("Callable[[dict[str, Any]], None]", handler))

    async def on_heartbeat(self, agent: str, handler: Callable[[Heartbeat], None]) -> Subscription:
        """`agent` may be `*`: every agent."""
        return await self._on(subjects.heartbeat(agent), "heartbeat", cast("Callable[[dict[str, Any]], None]", handler))

    def on_connection(self, listener: Callable[[bool], None]) -> Callable[[], None]:
        """Calls `listener` when the connection to NATS breaks (False) and when it is back (True). Returns what ends
        that."""
        self._listeners[listener] = None
        return lambda: self._listeners.pop(listener, None)

    def on_close(self, closing: Callable[[], None]) -> Callable[[], None]:
        """Calls `closing` when this client is closed. Returns what ends that."""
        self._closers[closing] = None
        return lambda: self._closers.pop(closing, None)

    async def flush(self) -> None:
        """Returns when every subscription before it is in force."""
        await self._transport.flush()

    async def close(self) -> None:
        """A wait for the end of a request through this client raises `closed`."""
        for closing in list(self._closers):
            closing()
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _connection_changed(self, is_connected: bool) -> None:
        if not is_connected:
            self.outages += 1
        for listener in list(self._listeners):
            listener(is_connected)

    async def _on(
        self,
        subject: str,
        name: str,
        handler: Callable[[dict[str, Any]], None],
        is_wanted: Callable[[Any], bool] | None = None,
    ) -> Subscription:
        def deliver(message: Message) -> None:
            try:
                event = decode(name, message.body, is_wanted)
            except KvferryError as error:
                log.warning("an event on %s does not fit the protocol, and is dropped: %s", message.subject, error)
                return
            if event is not None:
                handler(event)

        return await self._transport.subscribe(subject, deliver)
