"""What a fake agent receives: requests that write into its arena, and engines that read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ErrorDetails, KvferryError
from ..protocol.constants import ACQUIRE_KEYS_MAX
from .arena import FakeArena
from .sender import Sent
from .sending import row_of

if TYPE_CHECKING:
    from .agent import FakeAgent

_REMEMBERED_MAX = 10_000


class Receiving:
    def __init__(self, agent: FakeAgent) -> None:
        self.agent = agent
        self._requests: dict[tuple[str, str], tuple[Sent, FakeAgent]] = {}

    @property
    def _arena(self) -> FakeArena:
        if self.agent.arena is None:
            raise KvferryError("role_mismatch", f"agent {self.agent.name} has no arena")
        return self.agent.arena

    async def admit(self, request: Sent, sender: FakeAgent) -> None:
        holder = (request.request, sender.epoch)
        ended = [one for one, (sent, _) in self._requests.items() if sent.end is not None]
        for one in ended[: max(0, len(ended) - _REMEMBERED_MAX)]:
            del self._requests[one]
        self._requests[holder] = (request, sender)
        await self._arena.admit(holder, request.total - request.skip)

    def write(self, request: Sent, epoch: str, key: str, content: bytes) -> bool:
        return self._arena.write((request.request, epoch), key, content)

    def give_up(self, request: Sent, epoch: str) -> None:
        """The request has ended and is not ready."""
        holder = (request.request, epoch)
        self._arena.release(holder)
        self._arena.leave(holder)

    def lost_sender(self, agent: FakeAgent) -> None:
        """That process is gone."""
        for request, sender in list(self._requests.values()):
            if sender is agent and request.end is None:
                reason = KvferryError("sender_lost", f"agent {agent.name} is lost")
                agent.sending.end(request, "failed", reason)

    async def acquire(self, fields: dict[str, Any]) -> dict[str, Any]:
        arena, holder = self._arena, (fields["request"], fields["epoch"])
        start = fields.get("from", 0)
        known = self._requests.get(holder)
        if known is not None and known[0].end is None:
            raise KvferryError("request_active", f"request {holder[0]} is still arriving")
        if known is not None and (known[0].end != "ready" or not arena.held_by(holder)):
            details = ErrorDetails(end=known[0].end)
            raise KvferryError("request_ended", f"request {holder[0]} has ended", details=details)
        if known is None and "keys" not in fields:
            raise KvferryError("unknown_request", f"agent {self.agent.name} does not know {holder[0]}")
        arena.expire()
        asked = fields["keys"] if "keys" in fields else [entry.key for entry in arena.held_by(holder)]
        part = asked[start : start + ACQUIRE_KEYS_MAX]
        found = [arena.entries[key] for key in part if key in arena.entries]
        for entry in found:
            arena.lease(holder, entry)
        reply: dict[str, Any] = {
            "arena": arena.place,
            "leaseMs": int(arena.lease_seconds * 1000),
            "keys": [entry.key for entry in found],
            "pages": [entry.page for entry in found],
            "generations": [arena.generations[entry.page] for entry in found],
            "lengths": [entry.length for entry in found],
            "missing": [key for key in part if key not in arena.entries],
        }
        if start + len(part) < len(asked):
            reply["next"] = start + len(part)
        return reply

    async def release(self, fields: dict[str, Any]) -> dict[str, Any]:
        holder = (fields["request"], fields["epoch"])
        known = self._requests.get(holder)
        if known is not None and known[0].end is None:
            raise KvferryError("request_active", f"request {holder[0]} is still arriving: cancel it")
        if known is not None and known[0].end != "ready":
            raise KvferryError("request_ended", f"request {holder[0]} was not ready")
        if known is None and not self._arena.held_by(holder):
            raise KvferryError("unknown_request", f"agent {self.agent.name} does not know {holder[0]}")
        existed, freed = self._arena.release(holder, fields.get("keys"))
        return {"existed": existed, "freedPages": freed}

    def cancel(self, fields: dict[str, Any]) -> dict[str, Any]:
        for (name, epoch), (request, sender) in self._requests.items():
            if name == fields["request"] and fields.get("epoch", epoch) == epoch:
                return sender.sending.cancel({"request": name}) if request.end is None else {"end": request.end}
        raise KvferryError("unknown_request", f"agent {self.agent.name} does not know {fields['request']}")

    def rows(self, wanted: str | None) -> list[dict[str, Any]]:
        return [
            row_of(request, epoch, "receiver")
            for (name, epoch), (request, _) in self._requests.items()
            if name == wanted or (wanted is None and request.end is None)
        ]

    def page_counts(self) -> dict[str, int]:
        arena = self._arena
        arena.expire()
        counts = dict.fromkeys(("writing", "quarantined", "reserved", "retained"), 0)
        return {"total": arena.pages, "free": arena.free, "ready": arena.pages - arena.free, **counts}
