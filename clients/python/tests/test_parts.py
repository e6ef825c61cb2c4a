"""The parts that need no agent."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from kvferry import Client, ErrorDetails, KvferryError, SourceChunk, SourcePool, connect
from kvferry.batches import cut_into_batches, in_messages, source_runs
from kvferry.lendings import Lendings
from kvferry.orders import Order, OrderSession, SessionRef
from kvferry.protocol.check import check
from kvferry.protocol.codec import decode, decode_reply, encode, json_bytes
from kvferry.protocol.messages import SourcesReplyBatches
from kvferry.slots import Slots
from kvferry.testing import MemoryBus
from kvferry.transport import Message
from kvferry.waiting import in_background, now, within

SESSION = SessionRef("5" * 16, "e" * 16)


def place(number: int, offset: int, length: int = 10, segment: str = "s") -> SourceChunk:
    return SourceChunk(f"key-{number}", segment, offset, length)


def test_chunks_at_equal_distances_are_one_run() -> None:
    runs = source_runs([place(0, 0), place(1, 10), place(2, 20), place(3, 25), place(4, 100, 5), place(5, 0, 5, "t")])
    assert runs == [
        {"segment": "s", "offset": 0, "length": 10, "count": 3, "stride": 10},
        {"segment": "s", "offset": 25, "length": 10, "count": 1},
        {"segment": "s", "offset": 100, "length": 5, "count": 1},
        {"segment": "t", "offset": 0, "length": 5, "count": 1},
    ]


def test_chunks_in_pieces_begin_one_piece_apart() -> None:
    pieces = {"count": 2, "stride": 100}
    chunks = [SourceChunk(f"key-{n}", "s", 5 * n, 10, pieces) for n in range(3)]  # type: ignore[arg-type]
    assert source_runs(chunks) == [
        {"segment": "s", "offset": 0, "length": 10, "count": 3, "stride": 5, "pieces": pieces},
    ]


def test_batches_fit_their_messages_and_keep_their_order() -> None:
    chunks = [place(number, number * 1000 * (1 + number % 2)) for number in range(100)]
    batches = cut_into_batches(chunks, None, 4000)
    assert [chunk for batch in batches for chunk in batch] == chunks
    assert len(batches) > 1
    for batch in batches:
        size = len(json_bytes([chunk.key for chunk in batch])) + len(json_bytes(source_runs(batch)))
        assert size < 4000 - 800
    assert cut_into_batches([], None, 4000) == [[]]
    assert len(cut_into_batches(chunks, None, 2**20)) == 1
    assert in_messages(["a" * 50, "b"], 10, len, 10) == [["a" * 50], ["b"]]


async def test_slots_are_taken_in_order_of_asking() -> None:
    slots = Slots(4)
    assert await slots.take(3, 1) == [0, 1, 2]
    large = asyncio.create_task(slots.take(4, 1))
    small = asyncio.create_task(slots.take(1, 1))
    await asyncio.sleep(0)
    assert slots.is_short
    slots.give([0, 1, 2])
    assert await large == [0, 1, 2, 3]
    assert not small.done()
    slots.close(KvferryError("closed", "over"))
    with pytest.raises(KvferryError, match="over"):
        await small


def lendings(pool: SourcePool) -> tuple[Lendings, list[int]]:
    free: list[int] = []
    return Lendings(pool, free.extend), free


async def test_a_slot_comes_back_only_from_the_process_that_has_it(pool: SourcePool) -> None:
    lent, free = lendings(pool)
    chunks = [pool.place("a", 0, 10), pool.place("b", 1, 10)]
    lent.lend("r", 0, chunks)
    lent.sending("r", 0, SESSION)
    release = {"v": 2, "request": "r", "epoch": SESSION.epoch, "batch": 0, "positions": [1, 2, 7]}
    lent.released({**release, "epoch": "f" * 16})  # type: ignore[typeddict-item]
    assert free == []
    lent.released(release)  # type: ignore[arg-type]
    lent.released(release)  # type: ignore[arg-type]
    assert free == [1]
    # The answer is open, so the name is not free yet.
    again = [pool.place("c", 2, 10)]
    with pytest.raises(KvferryError) as name:
        lent.lend("r", 0, again)
    assert (name.value.code, free) == ("duplicate_batch", [1, 2])
    lent.accepted("r", 0)
    held: list[SourcesReplyBatches] = [{"request": "r", "batch": 0, "positions": [0]}]
    lent.keep_only(lent.lent_in(SESSION, "taken"), held, lent.question())
    assert free == [1, 2]
    lent.keep_only(lent.lent_in(SESSION, "taken"), [], lent.question())
    assert (free, lent.sessions()) == ([1, 2, 0], set())


class CutOff:
    """An agent that was cut off from NATS when it got an order. Its first answer is lost."""

    is_connected = True

    def __init__(self) -> None:
        self.answers = [KvferryError("deadline_exceeded", "no answer")]

    async def call(self, *_: object, **__: object) -> dict[str, Any]:
        raise self.answers.pop() if self.answers else KvferryError("disconnected", "cut off", answered=True)

    async def barrier(self, *_: object, **__: object) -> dict[str, Any]:
        return {"barred": []}


async def test_an_order_that_was_refused_as_cut_off_is_not_in_doubt() -> None:
    session = OrderSession(cast(Client, CutOff()), "p", SESSION, timeout=1, on_lost=lambda _: None)
    outcome = await session.send(Order("put", {}, until=now() + 1, timeout=1))
    assert (outcome.failure.code, outcome.doubt) == ("disconnected", None)


async def test_releases_may_be_lost_of_a_batch_whose_answer_comes_after_an_outage(pool: SourcePool) -> None:
    outages = 0
    lent = Lendings(pool, lambda _: None, lambda: outages)
    lent.lend("r", 0, [pool.place("a", 0, 10), pool.place("b", 1, 10)])
    lent.sending("r", 0, SESSION)
    outages = 1
    assert not lent.may_miss(SESSION)
    lent.accepted("r", 0)
    assert lent.may_miss(SESSION)
    held: list[SourcesReplyBatches] = [{"request": "r", "batch": 0, "positions": [0]}]
    lent.keep_only(lent.lent_in(SESSION, "taken"), held, lent.question())
    assert not lent.may_miss(SESSION)


async def test_a_refused_batch_comes_back_and_a_foreign_chunk_is_not_kept(pool: SourcePool) -> None:
    lent, free = lendings(pool)
    lent.lend("r", 0, [pool.place("a", 3, 10), place(1, 0)])
    lent.doubtful("r", 0)
    assert free == []
    lent.refused("r", 0)
    lent.refused("r", 0)
    assert free == [3]
    lent.lend("r", 1, [place(1, 0)])
    assert lent.sessions() == set()


async def test_a_batch_that_came_back_while_the_agent_was_asked_does_not_come_back_again(pool: SourcePool) -> None:
    lent, free = lendings(pool)
    lent.lend("r", 0, [pool.place("a", 0, 10)])
    lent.sending("r", 0, SESSION)
    lent.doubtful("r", 0)
    asked = lent.lent_in(SESSION, "doubtful")
    lent.refused("r", 0)
    lent.keep_only(asked, [], lent.question())
    assert free == [0]


def test_a_pool_leaves_a_file_that_took_the_place_of_an_abandoned_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another engine of that name was faster."""
    file = tmp_path / "kvferry-engine"
    file.write_bytes(b"old")

    def replace_and_lock(*_: object) -> None:
        file.unlink()
        file.write_bytes(b"new")

    monkeypatch.setattr("kvferry.source_pool.fcntl.flock", replace_and_lock)
    with pytest.raises(KvferryError) as taken:
        SourcePool.create("engine", slot_bytes=10, slots=2, directory=str(tmp_path))
    assert (taken.value.code, file.read_bytes()) == ("segment_exists", b"new")


def test_a_pool_removes_what_a_dead_engine_left_behind(tmp_path: Path) -> None:
    left = tmp_path / "kvferry-engine"
    left.write_bytes(b"old")
    with SourcePool.create("engine", slot_bytes=10, slots=2, directory=str(tmp_path)) as pool:
        chunk = pool.place("a", 1, 5)
        chunk.view[:] = b"12345"
        assert left.read_bytes() == bytes(10) + b"12345" + bytes(5)
    assert not left.exists()
    pool.close()
    with pytest.raises(KvferryError, match="cannot be made"):
        SourcePool.create("engine", slot_bytes=10, slots=2, directory=str(tmp_path / "none"))


def test_each_run_of_an_engine_gives_its_agent_another_path(tmp_path: Path) -> None:
    paths = []
    for _ in range(2):
        with SourcePool.create("engine", slot_bytes=10, slots=2, directory=str(tmp_path)) as pool:
            pool.memory[:5] = b"12345"
            paths.append(pool.path)
            assert Path(pool.path).read_bytes()[:5] == b"12345"
    assert paths[0] != paths[1]
    assert list(tmp_path.iterdir()) == []


def test_every_name_of_a_killed_engine_is_removed_and_none_of_others(tmp_path: Path) -> None:
    create = "kvferry.SourcePool.create('engine', slot_bytes=9, slots=1, directory=sys.argv[1])"
    program = f"import os, sys; sys.path[:] = {sys.path!r}; import kvferry; pool = {create}; os._exit(0)"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    others = [tmp_path / "kvferry-engine.txt", tmp_path / "kvferry-engine-1"]
    for other in others:
        other.touch()
    assert len(list(tmp_path.iterdir())) == 4
    with SourcePool.create("engine", slot_bytes=10, slots=2, directory=str(tmp_path)):
        assert len(list(tmp_path.iterdir())) == 4
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_errors_keep_their_fields_when_they_are_pickled() -> None:
    error = KvferryError("wrong_session", "no", field="session", details=ErrorDetails(session="1"), answered=True)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.code, copy.field, copy.details, copy.answered, copy.retryable) == (
        "wrong_session",
        "session",
        ErrorDetails(session="1"),
        True,
        False,
    )
    assert str(copy) == "no [wrong_session]"


def test_answers_that_do_not_fit_are_errors() -> None:
    for body in (b"", b"[]", encode({"ok": True}), b"\xff"):
        with pytest.raises(KvferryError) as wrong:
            decode_reply("put", body)
        assert wrong.value.code == "inconsistent_reply"
    for ok in (b"true", b"false"):
        with pytest.raises(KvferryError) as other:
            decode_reply("put", b'{"v":99,"ok":' + ok + b',"epoch":"0123456789abcdef"}')
        assert (other.value.code, other.value.field) == ("unsupported_version", "v")
    # A later version may add fields.
    assert decode_reply("put", encode({"ok": True, "epoch": "0" * 16, "more": 1}))["more"] == 1
    with pytest.raises(KvferryError) as nonsense:
        decode("terminal", b"{")
    assert nonsense.value.code == "malformed_json"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("keys", ["a\n"]),
        ("keys", ["\ud800"]),
        ("keys", ["x" * 513]),
        ("keys", [""]),
        ("keys", [1]),
        ("batch", True),
        ("batch", 4096),
        ("timeoutMs", 0),
        ("last", 1),
        ("request", "a b"),
        ("receiver", "a\n"),
        ("source", [{"segment": "s", "offset": 0}]),
        ("more", 1),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    fields = {"v": 2, "request": "r", "receiver": "d", "batch": 0, "last": True, "totalChunks": 1, "timeoutMs": 1}
    good = {**fields, "keys": ["ä@1"], "source": [{"segment": "s", "offset": 0, "length": 1}]}
    check("putRequest", good, strict=True)
    with pytest.raises(KvferryError) as wrong:
        check("putRequest", {**good, field: value}, strict=True)
    assert wrong.value.code == "invalid_field"
    assert (wrong.value.field or "").startswith(field)


async def test_work_that_takes_too_long_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(KvferryError, match="too late"):
        await within(0.01, "too late", work())
    await asyncio.wait_for(cancelled.wait(), 10)


async def test_work_in_the_background_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    await asyncio.wait({in_background(fail())})
    await asyncio.sleep(0)
    assert "work in the background failed" in caplog.text


async def test_the_memory_bus_delivers_by_subject_as_nats_does() -> None:
    bus = MemoryBus()
    transport = bus.transport()
    seen: list[str] = []
    for subject in ("a.*.c", "a.>", "a.b", "*"):
        await transport.subscribe(subject, lambda message: seen.append(message.subject))
    for subject in ("a.b.c", "a.b", "a", "b.b"):
        await transport.publish(subject, b"")
    await asyncio.sleep(0)
    assert seen == ["a.b.c", "a.b.c", "a.b", "a.b", "a"]
    bus.interrupt()
    with pytest.raises(KvferryError) as away:
        await transport.request("a.b", b"", 1)
    assert away.value.code == "disconnected"
    bus.restore()
    await transport.close()
    assert bus.send(Message("a.b", b"")) == 0


async def test_no_server_answers_the_error_shows_no_password() -> None:
    with pytest.raises(KvferryError) as raised:
        await connect("nats://engine:secret@127.0.0.1:1", connect_timeout=0.2)
    assert raised.value.code == "disconnected"
    assert "nats://127.0.0.1:1" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "does nats-server run there? nats_url or KVFERRY_NATS_URL names another server" in str(raised.value)
