"""What a fake agent sends: its requests, from `put` to their end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..errors import ErrorDetails, KvferryError, invalid_field
from ..protocol import subjects
from ..protocol.constants import End
from ..waiting import in_background, now
from .sender import Segments, Sent, places_of, wrong_session

if TYPE_CHECKING:
    from .agent import FakeAgent
    from .receiving import Receiving

_ENDED_REMEMBERED_MAX = 10_000


class Sending:
    def __init__(self, agent: FakeAgent) -> None:
        self._agent = agent
        self._segments = Segments()
        self._requests: dict[str, Sent] = {}

    async def attach(self, fields: dict[str, Any]) -> dict[str, Any]:
        if "path" not in fields:
            raise invalid_field("path", "a fake agent attaches files only")
        return {"bytes": self._segments.attach(fields["segment"], fields["path"], fields.get("session"), self._is_read)}

    async def detach(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._segments.detach(fields["segment"], fields.get("session"), self._is_read)
        return {}

    async def put(self, fields: dict[str, Any]) -> dict[str, Any]:
        if "ranks" in fields:
            raise invalid_field("ranks", "a fake agent has no ranks: use real agents")
        self._check_batch(fields)
        request = self._requests.get(fields["request"])
        if request is None:
            until = now() + fields["timeoutMs"] / 1000
            request = Sent(
                fields["request"], fields.get("receiver"), fields.get("session"), fields["totalChunks"], until
            )
            if request.receiver is not None:
                request.routed.set()
            self._remember(request)
            request.work = in_background(self._move(request))
        batch = len(request.batches)
        request.batches.append(fields["keys"])
        request.keys.update(fields["keys"])
        request.places.update(places_of(batch, fields["source"]))
        request.is_complete = fields["last"]
        request.arrived.set()
        await self._release(request, batch, self._skipped(request, batch))
        return {"epoch": self._agent.epoch}

    async def route(self, fields: dict[str, Any]) -> dict[str, Any]:
        request = self._requests.get(fields["request"])
        if request is None or fields.get("epoch", self._agent.epoch) != self._agent.epoch:
            raise KvferryError("unknown_request", f"agent {self._agent.name} does not know {fields['request']}")
        if request.end is not None:
            ended = ErrorDetails(end=request.end)
            raise KvferryError("request_ended", f"request {request.request} has ended", details=ended)
        skip = fields.get("skip", 0)
        if request.receiver == fields["receiver"] and request.skip <= skip:
            return {"epoch": self._agent.epoch}
        if request.receiver is not None:
            details = ErrorDetails(receiver=request.receiver)
            sent = f"{request.request} goes to {request.receiver} without its first {request.skip} chunks"
            raise KvferryError("already_routed", sent, details=details)
        if 0 < request.total <= skip:
            raise invalid_field("skip", f"request {request.request} has {request.total} chunks: cancel it")
        page_bytes = self._page_bytes(fields["receiver"])
        for _, _, run in request.places.values():
            self._segments.check(run, page_bytes, request.session)
        request.receiver, request.skip = fields["receiver"], skip
        if "timeoutMs" in fields:
            request.until = now() + fields["timeoutMs"] / 1000
        for batch in range(len(request.batches)):
            await self._release(request, batch, self._skipped(request, batch))
        request.routed.set()
        return {"epoch": self._agent.epoch}

    def cancel(self, fields: dict[str, Any]) -> dict[str, Any]:
        request = self._requests.get(fields["request"])
        if request is None:
            raise KvferryError("unknown_request", f"agent {self._agent.name} does not know {fields['request']}")
        session = fields.get("session")
        if session is not None and request.session is not None and session != request.session:
            raise wrong_session(request)
        if request.end is not None:
            return {"end": request.end}
        self.end(request, "cancelled", KvferryError("cancelled_by_caller", "a client has cancelled the request"))
        return {}

    async def sources(self, fields: dict[str, Any]) -> dict[str, Any]:
        batches: dict[tuple[str, int], list[int]] = {}
        for request in self._requests.values():
            if fields.get("request", request.request) != request.request:
                continue
            if fields.get("session", request.session) != request.session:
                continue
            for batch, position in request.places:
                batches.setdefault((request.request, batch), []).append(position)
        rows = [{"request": name, "batch": batch, "positions": held} for (name, batch), held in batches.items()]
        return {"epoch": self._agent.epoch, "alone": True, "batches": rows}

    def end(self, request: Sent, end: End, reason: KvferryError | None) -> None:
        """The request has ended; announces it. Idempotent."""
        if request.end is not None:
            return
        request.end, request.reason = end, reason
        if request.work is not None:
            request.work.cancel()
        receiver = self._receiver(request)
        if receiver is not None and end != "ready":
            receiver.give_up(request, self._agent.epoch)
        in_background(self._announce(request, receiver))

    def end_session(self, session: str) -> int:
        """Chunks of the session that are still read."""
        reason = KvferryError("session_ended", f"session {session} has ended")
        for request in self._requests.values():
            if request.session == session:
                self.end(request, "cancelled", reason)
        for name in [name for name, one in self._segments.by_name.items() if one.session == session]:
            self._segments.drop(name)
        return 0

    def lost_receiver(self, name: str) -> None:
        """That process is gone."""
        for request in list(self._requests.values()):
            if request.receiver == name:
                self.end(request, "failed", KvferryError("receiver_lost", f"agent {name} is lost"))

    def stop(self) -> None:
        for request in self._requests.values():
            if request.work is not None:
                request.work.cancel()
        self._segments.close()

    def unended(self) -> list[Sent]:
        return [request for request in self._requests.values() if request.end is None]

    def rows(self, wanted: str | None) -> list[dict[str, Any]]:
        return [
            row_of(request, self._agent.epoch, "sender")
            for request in self._requests.values()
            if request.request == wanted or (wanted is None and request.end is None)
        ]

    def segment_rows(self, wanted: str | None) -> list[dict[str, Any]]:
        return [
            {"segment": name, "path": one.path, "bytes": one.identity[2], "chunksInUse": self._read_of(name)}
            for name, one in self._segments.by_name.items()
            if wanted in (None, name)
        ]

    def _check_batch(self, fields: dict[str, Any]) -> None:
        keys, name, batch = fields["keys"], fields["request"], fields["batch"]
        count = sum(run.get("count", 1) for run in fields["source"])
        if count != len(keys):
            raise invalid_field("source", f"{count} places for {len(keys)} keys")
        if not keys and not fields["last"]:
            raise invalid_field("keys", "only the last batch may be empty")
        request = self._requests.get(name)
        if request is not None:
            self._check_known(request, fields)
        elif batch != 0:
            raise KvferryError("batch_out_of_order", f"batch 0 of request {name} comes next, not {batch}")
        known = request.keys if request is not None else set()
        if len(set(keys)) != len(keys) or known.intersection(keys):
            raise invalid_field("keys", f"a key occurs twice in request {name}")
        total = len(known) + len(keys)
        if total > fields["totalChunks"] or (fields["last"] and total != fields["totalChunks"]):
            raise invalid_field("totalChunks", f"{total} chunks came, {fields['totalChunks']} were announced")
        named = fields.get("receiver", None if request is None else request.receiver)
        page_bytes = None if named is None else self._page_bytes(named)
        for run in fields["source"]:
            self._segments.check(run, page_bytes, fields.get("session"))

    def _page_bytes(self, receiver: str) -> int:
        agent = self._agent.cluster.agents.get(receiver)
        if agent is None:
            raise KvferryError("unknown_receiver", f"agent {receiver} does not answer")
        if agent.arena is None:
            raise KvferryError("role_mismatch", f"agent {receiver} has no arena")
        return agent.arena.page_bytes

    def _check_known(self, request: Sent, fields: dict[str, Any]) -> None:
        name, batch = request.request, fields["batch"]
        details = ErrorDetails(epoch=self._agent.epoch)
        if request.end is not None:
            ended = ErrorDetails(end=request.end, epoch=self._agent.epoch)
            raise KvferryError("request_ended", f"request {name} has ended", details=ended)
        if batch < len(request.batches):
            raise KvferryError("duplicate_batch", f"batch {batch} of request {name} was put before", details=details)
        if batch > len(request.batches) or request.is_complete:
            raise KvferryError("batch_out_of_order", f"batch {len(request.batches)} of request {name} comes next")
        if request.session is not None and request.session != fields.get("session"):
            raise wrong_session(request)

    def _remember(self, request: Sent) -> None:
        ended = [name for name, one in self._requests.items() if one.end is not None]
        for name in ended[: max(0, len(ended) - _ENDED_REMEMBERED_MAX)]:
            del self._requests[name]
        self._requests[request.request] = request

    async def _move(self, request: Sent) -> None:
        """Moves the batches of a request as they come, within its time."""
        moving = asyncio.ensure_future(self._move_all(request))
        routing = asyncio.ensure_future(request.routed.wait())
        try:
            await asyncio.wait({routing}, timeout=request.until - now())
            # The route may have brought another limit.
            done, _ = await asyncio.wait({moving}, timeout=max(0.0, request.until - now()))
            if done:
                moving.result()
                self.end(request, "ready", None)
            else:
                self.end(request, "expired", KvferryError("deadline_exceeded", "the time of the request is over"))
        except KvferryError as error:
            self.end(request, "failed", error)
        finally:
            moving.cancel()
            routing.cancel()

    async def _move_all(self, request: Sent) -> None:
        await request.routed.wait()
        receiver = self._receiver(request)
        if receiver is None:
            raise KvferryError("receiver_lost", f"agent {request.receiver} is lost")
        await receiver.admit(request, self._agent)
        moved = 0
        while not (request.is_complete and moved == len(request.batches)):
            if moved == len(request.batches):
                request.arrived.clear()
                await request.arrived.wait()
                continue
            await self._agent.cluster.may_move.wait()
            await self._write(request, moved, receiver)
            moved += 1

    async def _write(self, request: Sent, batch: int, receiver: Receiving) -> None:
        skipped = self._skipped(request, batch)
        for position, key in enumerate(request.batches[batch]):
            if position in skipped:
                continue
            segment, offset, run = request.places[batch, position]
            content = self._segments.read(segment, offset, run)
            if receiver.write(request, self._agent.epoch, key, content):
                request.written += 1
                request.bytes += len(content)
            else:
                request.deduplicated += 1
        await self._release(request, batch)

    def _skipped(self, request: Sent, batch: int) -> range:
        """Positions of the batch that do not travel."""
        before = sum(len(keys) for keys in request.batches[:batch])
        return range(min(len(request.batches[batch]), max(0, request.skip - before)))

    async def _release(self, request: Sent, batch: int, only: range | None = None) -> None:
        held = [position for number, position in request.places if number == batch]
        positions = [position for position in held if only is None or position in only]
        for position in positions:
            del request.places[batch, position]
        if positions:
            event = {"request": request.request, "epoch": self._agent.epoch, "batch": batch, "positions": positions}
            await self._agent.publish(subjects.source_released(self._agent.name), event)

    async def _announce(self, request: Sent, receiver: Receiving | None) -> None:
        for batch in range(len(request.batches)):
            await self._release(request, batch)
        announcer = self._agent if receiver is None else receiver.agent
        event: dict[str, object] = {
            "request": request.request,
            "epoch": self._agent.epoch,
            "end": request.end,
            "sender": self._agent.name,
            "chunks": request.total - request.skip,
            "deduplicated": request.deduplicated,
            "joined": 0,
            "bytes": request.bytes,
            "ageMs": 0,
        }
        if request.receiver is not None:
            event["receiver"] = request.receiver
        if receiver is not None:
            event["receiverEpoch"] = receiver.agent.epoch
        if request.reason is not None:
            event["reason"] = {"code": request.reason.code, "message": request.reason.message}
        await announcer.publish(subjects.terminal(announcer.name, str(request.end)), event)

    def _receiver(self, request: Sent) -> Receiving | None:
        agent = None if request.receiver is None else self._agent.cluster.agents.get(request.receiver)
        return None if agent is None else agent.receiving

    def _is_read(self, segment: str) -> bool:
        return self._read_of(segment) > 0

    def _read_of(self, segment: str) -> int:
        places = [place for request in self._requests.values() for place in request.places.values()]
        return sum(name == segment for name, _, _ in places)


def row_of(request: Sent, epoch: str, side: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "request": request.request,
        "epoch": epoch,
        "side": side,
        "state": "ended" if request.end is not None else "running",
        "ageMs": 0,
    }
    if request.end is not None:
        row["end"] = request.end
    if request.reason is not None:
        row["reason"] = {"code": request.reason.code, "message": request.reason.message}
    return row
