"""One request, and what it asks of the session, the client and the memory around it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from kvferry import Client, KvferryError, RequestEnd, SourceChunk
from kvferry.orders import Outcome, SessionRef, State
from kvferry.protocol.codec import json_bytes
from kvferry.protocol.constants import RANKS_BYTES_MAX
from kvferry.put_stream import PutStream, PutTarget, RequestPlan
from kvferry.waiting import now

if TYPE_CHECKING:
    from kvferry.protocol.messages import Ranks

OWN, NEXT = SessionRef("1" * 16, "a" * 16), SessionRef("2" * 16, "b" * 16)
BYTES_MAX = 40_000
CHUNKS = 85
"""They fit into one message, and not with ranks beside them."""
RANKS = cast("Ranks", {"rank": 0, "members": [{"sender": f"p-{n}", "receiver": f"d-{n}"} for n in range(2)]})


class Session:
    """`outcomes`: of the first orders, the last one also of those after them. None: it is executed."""

    def __init__(self, *outcomes: Outcome | None) -> None:
        self.current = OWN
        self.puts: list[dict[str, Any]] = []
        self.only: list[SessionRef | None] = []
        """The session that may execute each order."""
        self._outcomes = list(outcomes) or [None]

    async def order(
        self,
        _: str,
        fields: dict[str, Any],
        *,
        only: SessionRef | None = None,
        on_sending: Any = lambda _: None,
        **__: object,
    ) -> Outcome:
        on_sending(self.current)
        self.puts.append(fields)
        self.only.append(only)
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        return outcome or Outcome(reply={"epoch": self.current.epoch})


class Ends:
    def __init__(self) -> None:
        self.forgotten = 0

    def expect(self, *_: object) -> SimpleNamespace:
        return SimpleNamespace(end=asyncio.get_running_loop().create_future(), epoch=None)

    def forget(self, _: object) -> None:
        self.forgotten += 1


def begun(session: Session, ends: Ends | None = None, **plan: Any) -> PutStream:
    # A question to an agent would fail: this client has none.
    client = cast(Client, SimpleNamespace(outages=0, message_bytes_max=BYTES_MAX))
    nothing = lambda *_: None  # noqa: E731
    steps = ("lend", "sending", "accepted", "doubtful", "refused", "discard")
    lendings = cast(Any, SimpleNamespace(**dict.fromkeys(steps, nothing)))
    expects = cast(Any, ends or Ends())
    target = PutTarget(client, "p-0", cast(Any, session), expects, lendings, patience=0, call_timeout=1)
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


@pytest.mark.parametrize(("state", "forgotten"), [("never", 1), ("executed", 0), ("lost", 0)])
async def test_the_end_of_a_request_that_never_began_is_not_expected_any_more(state: State, forgotten: int) -> None:
    doubt: asyncio.Future[State] = asyncio.get_running_loop().create_future()
    ends = Ends()
    stream = begun(Session(Outcome(error=KvferryError("deadline_exceeded", "late"), doubt=doubt)), ends)
    with pytest.raises(KvferryError):
        await stream.append(chunks())
    assert ends.forgotten == 0
    doubt.set_result(state)
    for _ in range(2):
        await asyncio.sleep(0)
    assert ends.forgotten == forgotten


async def test_the_end_of_a_request_is_overdue_after_its_time_and_a_grace() -> None:
    stream = begun(Session(), timeout=30)
    await stream.append(chunks())
    assert 40 - 5 < stream._expected.overdue_at - now() <= 40


@pytest.mark.parametrize(("current", "accepted"), [(OWN, 1), (NEXT, 0), (SessionRef(NEXT.id, OWN.epoch), 0)])
async def test_a_batch_stays_doubtful_when_its_session_was_lost(current: SessionRef, accepted: int) -> None:
    doubt: asyncio.Future[State] = asyncio.get_running_loop().create_future()
    session = Session(Outcome(error=KvferryError("sender_lost", "lost"), doubt=doubt))
    stream = begun(session)
    taken: list[int] = []
    cast(Any, stream._target.lendings).accepted = lambda _request, batch: taken.append(batch)
    with pytest.raises(KvferryError):
        await stream.append(chunks())
    session.current = current
    doubt.set_result("lost")
    for _ in range(2):
        await asyncio.sleep(0)
    assert len(taken) == accepted


def refused() -> Outcome:
    return Outcome(error=KvferryError("invalid_field", "refused", answered=True))


async def never() -> State:
    return "never"


@pytest.mark.parametrize("is_barred", [False, True])
async def test_the_end_of_a_request_is_expected_after_a_later_batch_was_refused(is_barred: bool) -> None:
    ends = Ends()
    outcome = Outcome(error=KvferryError("deadline_exceeded", "late"), doubt=never()) if is_barred else refused()
    stream = begun(Session(None, outcome), ends)
    await stream.append(chunks()[:1])
    with pytest.raises(KvferryError):
        await stream.append(chunks()[1:2])
    ending = asyncio.create_task(stream.end(30))
    for _ in range(3):
        await asyncio.sleep(0)
    assert (ends.forgotten, ending.done()) == (0, False)
    stream._expected.end.set_result(cast(Any, "the end"))
    assert await ending == cast(Any, "the end")


async def test_the_end_of_a_request_is_expected_after_a_later_chunk_was_not_in_its_slot() -> None:
    ends = Ends()
    stream = begun(Session(), ends)
    await stream.append(chunks()[:1])

    def lend(*_: object) -> None:
        raise KvferryError("invalid_field", "fill it again")

    cast(Any, stream._target.lendings).lend = lend
    with pytest.raises(KvferryError):
        await stream.append(chunks()[1:2])
    assert ends.forgotten == 0


async def test_a_cancel_goes_to_the_session_that_has_the_request() -> None:
    session = Session()
    stream = begun(session)
    await stream.append(chunks()[:1])
    session.current = NEXT
    await stream.cancel()
    assert session.only == [None, OWN]


async def test_agents_are_asked_for_the_end_when_the_session_of_a_request_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ask(*_: object, **__: object) -> RequestEnd:
        return RequestEnd("r", OWN.epoch, "failed")

    monkeypatch.setattr("kvferry.put_stream._ASK_PAUSE", 0.0)
    monkeypatch.setattr("kvferry.put_stream.ask_end", ask)
    session = Session()
    stream = begun(session, receiver="d-0")
    await stream.append(chunks()[:1])
    session.current = NEXT
    assert (await stream.end(5)).end == "failed"


async def test_a_cancel_does_not_overtake_a_put(monkeypatch: pytest.MonkeyPatch) -> None:
    session, may_answer = Session(), asyncio.Event()
    order, operations = session.order, list[str]()

    async def ordered(operation: str, *fields: Any, **options: Any) -> Outcome:
        if operation == "put":
            await may_answer.wait()
        operations.append(operation)
        return await order(operation, *fields, **options)

    monkeypatch.setattr(session, "order", ordered)
    stream = begun(session)
    putting = asyncio.create_task(stream.append(chunks()[:1]))
    await asyncio.sleep(0)
    cancelling = asyncio.create_task(stream.cancel())
    for _ in range(3):
        await asyncio.sleep(0)
    assert operations == []
    may_answer.set()
    await asyncio.gather(putting, cancelling)
    assert operations == ["put", "cancel"]
