"""A fake agent: speaks the protocol of a real one over any transport, and moves bytes by a copy in its process."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

from ..errors import ErrorDetails, KvferryError
from ..protocol import subjects
from ..protocol.check import check, has_schema
from ..protocol.codec import encode
from ..protocol.constants import PROTOCOL_VERSION
from ..transport import Message, Subscription, Transport
from ..waiting import in_background, now, pause
from .arena import FakeArena
from .orders import FakeSession
from .receiving import Receiving
from .sending import Sending

if TYPE_CHECKING:
    from .cluster import FakeCluster

Role = Literal["prefill", "decode", "both"]

_ORDERED = frozenset({"put", "cancel", "attach", "detach", "stage", "unstage"})
_SENDER_ONLY = _ORDERED - {"cancel"} | {"open", "renew", "barrier", "end", "sources", "route"}
_SESSIONS_REMEMBERED_MAX = 256


class FakeAgent:
    """One run of an agent. Made by `FakeCluster.start`."""

    def __init__(
        self, cluster: FakeCluster, transport: Transport, name: str, role: Role, arena: FakeArena | None
    ) -> None:
        self.cluster = cluster
        self.name = name
        self.role = role
        self.epoch = arena.epoch if arena is not None else secrets.token_hex(8)
        self.arena = arena
        self.is_dead = False
        self.lose_answers: set[str] = set()
        """Operations whose next answer is lost. The operation is executed."""
        self.sessions: dict[str, FakeSession] = {}
        self.tenants: dict[str, str] = {}
        """Which tenant has put a request. A fake agent keeps tenants apart in its events only."""
        self.sending = Sending(self)
        self.receiving = Receiving(self)
        self._transport = transport
        self._subscriptions: list[Subscription] = []
        self._started_at = now()
        self._heartbeats = 0
        self._beating: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._subscriptions = [
            await self._transport.subscribe(subjects.operation(self.name, "*", "*"), self._arrived),
            await self._transport.subscribe(subjects.DISCOVER, self._arrived),
            await self._transport.subscribe(subjects.lookup("*"), self._arrived),
        ]
        await self._transport.flush()
        self._beating = in_background(self._beat())

    async def stop(self) -> None:
        """As SIGKILL: no last word."""
        self.is_dead = True
        if self._beating is not None:
            self._beating.cancel()
        for subscription in self._subscriptions:
            await subscription.close()
        self.sending.stop()
        if self.arena is not None:
            self.arena.close()

    async def publish(self, subject: str, fields: dict[str, object]) -> None:
        """A dead agent publishes nothing; during an outage the event is lost."""
        if not self.is_dead and self._transport.is_connected:
            await self._transport.publish(subject, encode(fields))

    async def say_leaving(self) -> None:
        await self._publish_heartbeat(leaving=True)

    def _arrived(self, message: Message) -> None:
        in_background(self._answer(message))

    async def _answer(self, message: Message) -> None:
        operation, tenant = subjects.asked(message.subject)
        try:
            fields = self._checked("describe" if operation == "discover" else operation, message.body)
            if operation == "put":
                self.tenants[fields["request"]] = tenant
            reply = await self._execute(operation, fields)
            body = encode({"ok": True, **reply})
        except KvferryError as error:
            body = encode({"ok": False, "error": _shown(error)})
        if operation in self.lose_answers:
            self.lose_answers.discard(operation)
            return
        if not self.is_dead and message.reply and self._transport.is_connected:
            await self._transport.publish(message.reply, body)

    def _checked(self, operation: str, body: bytes) -> dict[str, Any]:
        from json import loads

        if not has_schema(f"{operation}Request"):
            raise KvferryError("unknown_operation", f"there is no operation {operation}")
        try:
            fields = loads(body)
        except ValueError as error:
            raise KvferryError("malformed_json", f"the body is not JSON: {error}") from error
        if isinstance(fields, dict) and fields.get("v") != PROTOCOL_VERSION:
            raise KvferryError("unsupported_version", f"version {fields.get('v')} is not {PROTOCOL_VERSION}", field="v")
        check(f"{operation}Request", fields, strict=True)
        needs = "prefill" if operation in _SENDER_ONLY else "decode" if operation in ("acquire", "release") else None
        if needs is not None and self.role not in (needs, "both"):
            raise KvferryError("role_mismatch", f"agent {self.name} is {self.role}, and {operation} needs {needs}")
        del fields["v"]
        return dict(fields)

    async def _execute(self, operation: str, fields: dict[str, Any]) -> dict[str, Any]:
        if operation in _ORDERED and "session" in fields:
            return await self._session(fields["session"]).execute(operation, fields, self._run)
        return await self._run(operation, fields)

    async def _run(self, operation: str, fields: dict[str, Any]) -> dict[str, Any]:
        operations: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "put": self.sending.put,
            "route": self.sending.route,
            "cancel": self._cancel,
            "attach": self.sending.attach,
            "detach": self.sending.detach,
            "sources": self.sending.sources,
            "acquire": self.receiving.acquire,
            "release": self.receiving.release,
            "open": self._open,
            "renew": self._renew,
            "barrier": self._barrier,
            "end": self._end,
            "status": self._status,
            "describe": self._describe,
            "discover": self._describe,
            "lookup": self._lookup,
        }
        if operation not in operations:
            raise KvferryError("internal", f"the fake agent has no {operation}")
        return await operations[operation](fields)

    async def _cancel(self, fields: dict[str, Any]) -> dict[str, Any]:
        if self.role == "decode":
            return self.receiving.cancel(fields)
        return self.sending.cancel(fields)

    def _session(self, identity: str) -> FakeSession:
        session = self.sessions.get(identity)
        if session is None:
            raise KvferryError("unknown_session", f"session {identity} is not open at agent {self.name}")
        if session.ended:
            raise KvferryError("session_ended", f"session {identity} has ended")
        return session

    async def _open(self, fields: dict[str, Any]) -> dict[str, Any]:
        identity = fields["session"]
        if identity not in self.sessions:
            ended = [one.id for one in self.sessions.values() if one.ended]
            for old in ended[: max(0, len(ended) - _SESSIONS_REMEMBERED_MAX)]:
                del self.sessions[old]
            self.sessions[identity] = FakeSession(identity, fields["holder"], fields["silentMs"])
        session = self._session(identity)
        return {"epoch": self.epoch, "silentMs": session.silent_ms, "order": session.next}

    async def _renew(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"epoch": self.epoch, "order": self._session(fields["session"]).next}

    async def _barrier(self, fields: dict[str, Any]) -> dict[str, Any]:
        barred = await self._session(fields["session"]).barrier(fields["order"])
        return {"epoch": self.epoch, "barred": barred}

    async def _end(self, fields: dict[str, Any]) -> dict[str, Any]:
        session = self.sessions.get(fields["session"])
        if session is None:
            raise KvferryError("unknown_session", f"session {fields['session']} is not open at agent {self.name}")
        session.ended = True
        return {"epoch": self.epoch, "chunksInUse": self.sending.end_session(session.id)}

    async def _lookup(self, fields: dict[str, Any]) -> dict[str, Any]:
        held = 0
        entries = {} if self.arena is None else self.arena.entries
        while held < len(fields["keys"]) and fields["keys"][held] in entries:
            held += 1
        requests = len(self.sending.rows(None)) + len(self.receiving.rows(None))
        about = {"agent": self.name, "epoch": self.epoch, "role": self.role, "state": "running"}
        reply = {**about, "held": held, "expected": held, "queued": 0, "requests": requests}
        return reply if self.arena is None else {**reply, "pages": self.receiving.page_counts()}

    async def _status(self, fields: dict[str, Any]) -> dict[str, Any]:
        wanted = fields.get("request")
        rows = self.sending.rows(wanted) + self.receiving.rows(wanted)
        segments = self.sending.segment_rows(fields.get("segment"))
        status: dict[str, Any] = {
            "agent": self.name,
            "epoch": self.epoch,
            "role": self.role,
            "state": "running",
            "uptimeMs": self._age(),
            "queued": 0,
            "segments": segments,
            "segmentsTotal": len(segments),
            "sessions": [],
            "sessionsTotal": sum(not one.ended for one in self.sessions.values()),
            "peers": [],
            "peersTotal": 0,
            "requests": rows,
            "requestsTotal": len(rows),
            "counters": {},
        }
        if self.arena is not None:
            status["pages"] = self.receiving.page_counts()
            status["quarantineAgeMs"] = 0
        return status

    async def _describe(self, fields: dict[str, Any]) -> dict[str, Any]:
        described: dict[str, Any] = {
            "agent": self.name,
            "epoch": self.epoch,
            "role": self.role,
            "state": "running",
            "version": "fake",
            "heartbeatMs": int(self.cluster.heartbeat_seconds * 1000),
            "endpoints": [],
            "unavailable": [],
        }
        if self.arena is not None:
            described["arena"] = self.arena.place
        return described

    async def _beat(self) -> None:
        while not self.is_dead:
            await self._publish_heartbeat(leaving=False)
            await pause(self.cluster.heartbeat_seconds)

    async def _publish_heartbeat(self, *, leaving: bool) -> None:
        self._heartbeats += 1
        heartbeat: dict[str, object] = {
            "agent": self.name,
            "epoch": self.epoch,
            "role": self.role,
            "heartbeatMs": int(self.cluster.heartbeat_seconds * 1000),
            "number": self._heartbeats,
            "ageMs": self._age(),
            "draining": leaving,
            "alone": True,
            "leaving": leaving,
        }
        await self.publish(subjects.heartbeat(self.name), heartbeat)

    def _age(self) -> int:
        return int((now() - self._started_at) * 1000)


def _shown(error: KvferryError) -> dict[str, object]:
    shown: dict[str, object] = {"code": error.code, "message": error.message}
    details: ErrorDetails = error.details
    more = {"field": error.field, **vars(details)}
    return {**shown, **{name: value for name, value in more.items() if value is not None}}
