"""One request, and what it asks of the session, the client and the memory around it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from kvferry import Client, KvferryError, SourceChunk
from kvferry.orders import Outcome, SessionRef
from kvferry.protocol.codec import json_bytes
from kvferry.protocol.constants import RANKS_BYTES_MAX
from kvferry.put_stream import PutStream, PutTarget, RequestPlan

if TYPE_CHECKING:
    from kvferry.protocol.messages import Ranks

OWN, NEXT = SessionRef("1" * 16, "a" * 16), SessionRef("2" * 16, "b" * 16)
BYTES_MAX = 40_000
CHUNKS = 85
"""They fit into one message, and not with ranks beside them."""
RANKS = cast("Ranks", {"rank": 0, "members": [{"sender": f"p-{n}", "receiver": f"d-{n}"} for n in range(2)]})


class Session:
    def __init__(self) -> None:
        self.current = OWN
        self.puts: list[dict[str, Any]] = []

    async def order(self, _: str, fields: dict[str, Any], *, on_sending: Any, **__: object) -> Outcome:
        on_sending(self.current)
        self.puts.append(fields)
        return Outcome(reply={"epoch": self.current.epoch})


class Ends:
    def expect(self, *_: object) -> SimpleNamespace:
        return SimpleNamespace(end=asyncio.get_running_loop().create_future(), epoch=None)

    def forget(self, _: object) -> None:
        """Nothing is kept."""


def begun(session: Session, **plan: Any) -> PutStream:
    # A question to an agent would fail: this client has none.
    client = cast(Client, SimpleNamespace(outages=0, message_bytes_max=BYTES_MAX))
    nothing = lambda *_: None  # noqa: E731
    lendings = cast(Any, SimpleNamespace(lend=nothing, sending=nothing, accepted=nothing, discard=nothing))
    target = PutTarget(client, "p-0", cast(Any, session), cast(Any, Ends()), lendings, patience=0, call_timeout=1)
    known: dict[str, Any] = {"request": "r", "receiver": None, "total_chunks": CHUNKS, "timeout": 30, **plan}
    return PutStream(RequestPlan(**known), target)


def chunks() -> list[SourceChunk]:
    return [SourceChunk(f"{number:0400}", "s", number * 10, 10) for number in range(CHUNKS)]


@pytest.mark.parametrize(("receiver", "left"), [(None, RANKS_BYTES_MAX), ("d-0", 0)])
async def test_offered_batches_have_room_for_the_ranks_that_a_router_names(receiver: str | None, left: int) -> None:
    session = Session()
    await begun(session, receiver=receiver).append(chunks())
    sizes = [len(json_bytes(put)) for put in session.puts]
    assert all(size <= BYTES_MAX - left for size in sizes)
    assert (len(sizes) == 1) is (left == 0)


async def test_agents_of_several_ranks_are_not_asked_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvferry.put_stream._ASK_PAUSE", 0.01)
    session = Session()
    stream = begun(session, receiver="d-0", ranks=RANKS, total_chunks=0)
    await stream.finish()
    session.current = NEXT
    with pytest.raises(KvferryError) as late:
        await stream.end(0.1)
    assert late.value.code == "deadline_exceeded"


@pytest.mark.parametrize("timeout", [float("inf"), float("nan"), 0, -1, 601])
async def test_a_time_that_no_message_can_carry_is_refused_before_the_request_begins(timeout: float) -> None:
    with pytest.raises(KvferryError) as wrong:
        begun(Session(), timeout=timeout)
    assert (wrong.value.code, wrong.value.field) == ("invalid_field", "timeout")
