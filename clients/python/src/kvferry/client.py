"""The messages of engines and routers. `PrefillEngine` and `DecodeEngine` send these messages for an engine."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from .ends import announcers_of
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
_OBSERVING = frozenset(("status", "inspect", "journal", "explain"))
"""A client without a tenant asks these as an operator, for all tenants."""


async def connect(
    servers: str | list[str] | None = None,
    *,
    name: str = "kvferry engine",
    inbox: str | None = None,
    connect_timeout: float = CONNECT_SECONDS,
    call_timeout: float = CALL_SECONDS,
    tenant: str | None = None,
    nats_creds: str | None = None,
    nats_nkey: str | None = None,
    nats_ca: str | None = None,
    nats_cert: str | None = None,
    nats_key: str | None = None,
    nats_tls: str | None = None,
    **nats_options: Any,
) -> Client:
    """Connects to NATS: default `KVFERRY_NATS_URL`, or this host. Answers come to subjects below
    `_INBOX_client.<inbox>`, so that the permissions of NATS can keep them from others. Default: the name of the user in
    the creds file, otherwise `name`, with a `-` for each character that a name of an agent may not have.
    `tenant`: as in `Client`. The files of `nats_creds` and the arguments after it (`NatsAccess`) are read again for
    every connection; what is not given comes from `KVFERRY_NATS_CREDS` and so on. `nats_options` are further ones of
    `nats.connect`. Raises `disconnected` when no server accepts within
    `connect_timeout` seconds, `invalid_field` for what is no name of a tenant, and `invalid_configuration`."""
    require_tenant(tenant)
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
    options = {"inbox_prefix": subjects.inbox_prefix(inbox or access.user_name() or name), **nats_options}
    transport = await connect_nats(servers, name, connect_timeout, access, options)
    return Client(transport, call_timeout=call_timeout, tenant=tenant)


class Client(Operations):
    """One method for each operation of an agent, and the events of agents. Each call has a deadline. Calls raise
    `KvferryError`: `no_responders`, `publication_refused`, `deadline_exceeded`, `disconnected`, `closed`,
    `message_too_large`, `inconsistent_reply`, or the code that the agent answered.

    `tenant` is the one for which the client asks. Default: `default`, and all tenants for what only shows the state
    of agents. Raises `invalid_field` for what is no name of a tenant."""

    def __init__(self, transport: Transport, *, call_timeout: float = CALL_SECONDS, tenant: str | None = None) -> None:
        require_tenant(tenant)
        self._transport = transport
        self._tenant = tenant
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
        tenant: str | None = None,
    ) -> dict[str, object]:
        """Any operation, by its name. `headers` name the trace that the message belongs to. `tenant`: asks for this one
        instead of that of the client."""
        if not has_schema(f"{operation}Reply"):
            raise KvferryError("unknown_operation", f"this client has no operation {operation}")
        if _NAME.fullmatch(agent) is None:
            raise invalid_field("agent", f"{agent!r} is not the name of an agent")
        body = encode(fields)
        seconds = self._call_timeout if timeout is None else timeout
        unnamed = subjects.ALL_TENANTS if operation in _OBSERVING else subjects.DEFAULT_TENANT
        subject = subjects.operation(agent, tenant or self._tenant or unnamed, operation)
        answer = await self._transport.request(subject, body, seconds, headers)
        reply = decode_reply(operation, answer)
        if "agent" in reply:
            require_speaker([reply["agent"]], agent)
        return reply

    async def discover(self, timeout: float = _DISCOVER_SECONDS) -> list[DescribeReply]:
        """Every agent whose answer comes within `timeout` seconds, by name."""
        return cast("list[DescribeReply]", await self._ask_all(subjects.DISCOVER, {}, "describe", timeout))

    async def lookup_all(
        self, keys: Sequence[str], agents: int | None = None, timeout: float = _DISCOVER_SECONDS
    ) -> list[LookupReply]:
        """Asks all agents with one message which prefix of a prompt they hold. The answers that come within `timeout`
        seconds, by name; earlier when `agents` agents have answered."""
        fields = {"keys": list(keys)}
        subject = subjects.lookup(self.tenant)
        return cast("list[LookupReply]", await self._ask_all(subject, fields, "lookup", timeout, agents))

    async def _ask_all(
        self, subject: str, fields: Mapping[str, object], operation: str, timeout: float, enough: int | None = None
    ) -> list[dict[str, Any]]:
        """The answers of all agents, by name."""
        answers = await self._transport.request_all(subject, encode(fields), timeout, enough)
        return sorted((decode_reply(operation, answer) for answer in answers), key=lambda found: str(found["agent"]))

    async def on_terminal(
        self, handler: Callable[[Terminal], None], is_wanted: Callable[[str], bool] | None = None
    ) -> Subscription:
        """Terminal events of the tenant's requests, of all agents. The first one for a (`request`, `epoch`) counts. An
        event of an agent that neither sent nor received the request, nor led its ranks, is dropped. `is_wanted`: only
        those of requests for which it returns true; the others cost little."""

        def wants(event: Any) -> bool:
            return is_wanted is None or (isinstance(event, dict) and is_wanted(str(event.get("request"))))

        wanted = cast("Callable[[dict[str, Any]], None]", handler)
        subject = subjects.terminal("*", self.tenant, "*")
        return await self._on(subject, "terminal", wanted, wants, announcers_of)

    async def on_source_released(self, agent: str, handler: Callable[[SourceReleased], None]) -> Subscription:
        subject = subjects.source_released(agent, self.tenant)
        return await self._on(subject, "sourceReleased", cast("Callable[[dict[str, Any]], None]", handler))

    async def on_heartbeat(self, agent: str, handler: Callable[[Heartbeat], None]) -> Subscription:
        """`agent` may be `*`: every agent."""
        wanted = cast("Callable[[dict[str, Any]], None]", handler)
        return await self._on(subjects.heartbeat(agent), "heartbeat", wanted, speakers=lambda beat: [beat["agent"]])

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
        """Returns when every subscription before it is in force. Raises `subscription_refused` if NATS refuses one."""
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

    @property
    def tenant(self) -> str:
        """The tenant for which this client sends requests."""
        return self._tenant or subjects.DEFAULT_TENANT

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
        speakers: Callable[[dict[str, Any]], list[str]] | None = None,
    ) -> Subscription:
        """`speakers`: the agents that may publish such an event."""

        def deliver(message: Message) -> None:
            try:
                event = decode(name, message.body, is_wanted)
                if event is not None and speakers is not None:
                    require_speaker(speakers(event), subjects.announcer(message.subject))
            except KvferryError as error:
                log.warning("an event on %s does not fit the protocol, and is dropped: %s", message.subject, error)
                return
            if event is not None:
                handler(event)

        return await self._transport.subscribe(subject, deliver)


def require_tenant(tenant: str | None) -> None:
    """Raises `invalid_field`."""
    if tenant is not None and not subjects.is_tenant(tenant):
        rule = f"it has 1 to {NAME_BYTES_MAX} letters, digits, _ and -, and does not begin with _"
        raise invalid_field("tenant", f"{tenant!r} is not the name of a tenant: {rule}")


def require_speaker(speakers: Sequence[str], agent: str) -> None:
    """The subject names the agent that speaks. Raises `not_yours` when the body is the word of another one."""
    if agent not in speakers:
        raise KvferryError("not_yours", f"agent {agent} does not speak for {', '.join(speakers)}", field="subject")
