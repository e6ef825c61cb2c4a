"""What a decode engine acquires, looks up and gives back."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kvferry import Client, DecodeEngine, KvferryError, PrefillEngine, SourcePool
from kvferry.decode_engine import _pages
from kvferry.waiting import _tasks

from .conftest import Pair, content, eventually, fake_of, filled, fresh, new_request
from .worlds.world import PAGE_BYTES, World


async def ready(pair: Pair, keys: list[str]) -> tuple[str, str]:
    stream = await pair.prefill.put(new_request(), pair.receiver, await filled(pair.prefill, keys), timeout=30)
    end = await stream.ready()
    return end.request, end.epoch


async def test_keys_that_are_not_there_are_missing_and_a_repeated_key_is_found_twice(pair: Pair) -> None:
    keys = fresh("a", "b")
    absent = fresh("x")[0]
    request, epoch = await ready(pair, keys)
    async with pair.decode.acquire(request, epoch, [keys[1], absent, keys[0], keys[1]]) as got:
        assert [page.key for page in got.pages] == [keys[1], keys[0], keys[1]]
        assert got.missing == [absent]
        with pytest.raises(KvferryError, match="was not acquired"):
            got.read(absent)


async def test_lookup_finds_what_another_request_brought(pair: Pair) -> None:
    keys = fresh("a", "b")
    request, epoch = await ready(pair, keys)
    async with pair.decode.lookup([keys[1], *fresh("x")]) as found:
        await pair.decode.release(request, epoch)
        assert [bytes(page.view) for page in found.pages] == [content(keys[1])]
        assert len(found.missing) == 1
        status = await pair.client.status("decode-0")
        assert "pages" in status
    async with pair.decode.lookup(keys) as found:
        assert (found.pages, found.missing) == ([], keys)


async def test_release_twice_is_the_same_as_once(pair: Pair) -> None:
    request, epoch = await ready(pair, fresh("a"))
    await pair.decode.release(request, epoch)
    await pair.decode.release(request, epoch)
    with pytest.raises(KvferryError) as ended:
        await pair.decode.take(request, epoch)
    assert ended.value.code == "request_ended"


async def test_a_request_that_the_agent_does_not_know_is_an_error(pair: Pair) -> None:
    with pytest.raises(KvferryError) as unknown:
        async with pair.decode.acquire(new_request(), secrets.token_hex(8)):
            pytest.fail("nothing was acquired")
    assert (unknown.value.code, unknown.value.answered) == ("unknown_request", True)
    with pytest.raises(KvferryError, match="no key was named"):
        await pair.decode.take(new_request(), secrets.token_hex(8), [])
    await pair.decode.release(new_request(), secrets.token_hex(8))


async def test_pages_are_released_when_the_reader_fails(pair: Pair) -> None:
    keys = fresh("a")
    request, epoch = await ready(pair, keys)
    with pytest.raises(ZeroDivisionError):
        async with pair.decode.acquire(request, epoch):
            raise ZeroDivisionError
    async with pair.decode.lookup(keys) as found:
        assert found.missing == keys


async def test_a_lease_that_was_not_renewed_is_over(world: World, pair: Pair) -> None:
    await world.start("decode-short", "decode", lease_seconds=0.3)
    decode = DecodeEngine(pair.client, "decode-short")
    keys = fresh("a")
    stream = await pair.prefill.put(new_request(), "decode-short", await filled(pair.prefill, keys), timeout=30)
    end = await stream.ready()
    got = await decode.take(end.request, end.epoch, keys)
    assert got.is_leased
    again = await decode.take(end.request, end.epoch, keys)
    assert again.leased_until > got.leased_until
    await eventually(lambda: not again.is_leased, "the lease is over")
    with pytest.raises(KvferryError, match="are over") as over:
        again.check()
    assert over.value.code == "request_ended"
    await world.kill("decode-short")


async def test_a_lease_counts_from_before_the_question(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    request, epoch = await ready(pair, fresh("a"))
    step = 1_000_000
    times = itertools.count(step, step)
    monkeypatch.setattr("kvferry.decode_engine.now", lambda: next(times))
    got = await pair.decode.take(request, epoch)
    assert step < got.leased_until < 2 * step
    await pair.decode.release(request, epoch)


async def test_pages_whose_answer_was_lost_are_given_back(world: World, pair: Pair) -> None:
    cluster, keys = fake_of(world).cluster, fresh("a")
    request, epoch = await ready(pair, keys)
    cluster.lose_answer("decode-0", "acquire")
    with pytest.raises(KvferryError) as lost:
        async with DecodeEngine(pair.client, "decode-0", call_timeout=0.05, patience=0).acquire(request, epoch):
            pytest.fail("nothing was acquired")
    assert lost.value.code == "deadline_exceeded"
    arena = cluster.agents["decode-0"].arena
    await eventually(lambda: arena is not None and keys[0] not in arena.entries, "the page is free")


async def test_pages_of_a_caller_that_is_cancelled_are_given_back(world: World, pair: Pair) -> None:
    cluster, keys = fake_of(world).cluster, fresh("a")
    request, epoch = await ready(pair, keys)
    agent = cluster.agents["decode-0"]
    cluster.lose_answer("decode-0", "acquire")

    async def look_up() -> None:
        async with DecodeEngine(pair.client, "decode-0", call_timeout=60).lookup(keys):
            pytest.fail("nothing was acquired")

    looking = asyncio.create_task(look_up())
    await eventually(lambda: not agent.lose_answers, "the agent has leased the page")
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    await pair.decode.release(request, epoch)
    await eventually(lambda: agent.arena is not None and keys[0] not in agent.arena.entries, "the page is free")


async def test_pages_are_given_back_when_a_later_question_for_more_is_refused(
    world: World, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, keys = fake_of(world).cluster.agents["decode-0"], fresh("a", "b")
    request, epoch = await ready(pair, keys)
    call = pair.client.call

    async def refuse_second(name: str, operation: str, fields: Mapping[str, object], **more: Any) -> dict[str, object]:
        if fields.get("keys") == keys[1:]:
            raise KvferryError("quota_exceeded", "no more", answered=True)
        return await call(name, operation, fields, **more)

    monkeypatch.setattr("kvferry.decode_engine.ACQUIRE_KEYS_MAX", 1)
    monkeypatch.setattr(pair.client, "call", refuse_second)
    with pytest.raises(KvferryError) as refused:
        async with pair.decode.lookup(keys):
            pytest.fail("nothing was acquired")
    assert refused.value.code == "quota_exceeded"
    await pair.decode.release(request, epoch)
    await eventually(lambda: agent.arena is not None and keys[0] not in agent.arena.entries, "the page is free")


async def test_a_late_release_never_ends_the_leases_of_a_later_acquire(
    world: World, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, keys = fake_of(world).cluster.agents["decode-0"], fresh("a")
    request, epoch = await ready(pair, keys)
    call, may_send = pair.client.call, asyncio.Event()

    async def away(name: str, operation: str, fields: Mapping[str, object], **more: Any) -> dict[str, object]:
        if operation == "acquire":
            return await call(name, operation, fields, **more)
        raise KvferryError("no_responders", "it is away")

    async def wait(_: float) -> None:
        await may_send.wait()

    monkeypatch.setattr("kvferry.decode_engine.pause", wait)
    monkeypatch.setattr(pair.client, "call", away)
    before = set(_tasks)
    async with pair.decode.acquire(request, epoch):
        pass
    monkeypatch.setattr(pair.client, "call", call)
    late = _tasks - before
    got = await pair.decode.take(request, epoch)
    may_send.set()
    await asyncio.wait(late)
    assert got.is_leased
    assert agent.arena is not None
    assert keys[0] in agent.arena.entries
    await pair.decode.release(request, epoch)
    assert pair.decode._releasing == {}


@pytest.mark.parametrize(("page", "length"), [(4, 10), (3, 11)])
def test_a_page_that_is_not_in_the_arena_is_not_read(page: int, length: int) -> None:
    arena: Any = SimpleNamespace(pages=4, page_bytes=10, view=lambda *_: pytest.fail("it was read"))
    reply: Any = {"keys": ["a"], "pages": [page], "generations": [1], "lengths": [length]}
    with pytest.raises(KvferryError) as outside:
        _pages(reply, arena)
    assert outside.value.code == "inconsistent_reply"


async def test_a_full_arena_lets_a_request_wait_until_pages_are_free(world: World, pair: Pair, segment: str) -> None:
    await world.start("decode-full", "decode", pages=2)
    decode = DecodeEngine(pair.client, "decode-full")
    first = await pair.prefill.put(
        new_request(), "decode-full", await filled(pair.prefill, fresh("a", "b")), timeout=30
    )
    one = await first.ready()
    late = await pair.prefill.put(new_request(), "decode-full", await filled(pair.prefill, fresh("c")), timeout=0.4)
    expired = await late.end()
    assert (expired.end, expired.reason and expired.reason["code"]) == ("expired", "deadline_exceeded")
    keys = fresh("d")
    waiting = await pair.prefill.put(new_request(), "decode-full", await filled(pair.prefill, keys), timeout=30)
    await decode.release(one.request, one.epoch)
    two = await waiting.ready()
    async with decode.acquire(two.request, two.epoch, keys) as got:
        assert bytes(got.pages[0].view) == content(keys[0])
    await eventually(lambda: pair.prefill.free_slots == 8, "every slot is free again")
    await world.kill("decode-full")


async def test_views_of_numpy_are_the_memory_itself(pair: Pair) -> None:
    numpy = pytest.importorskip("numpy")
    key = fresh("a")[0]
    chunk = (await pair.prefill.fill([key]))[0]
    chunk.numpy("float32", (128, 128))[:] = numpy.arange(128 * 128).reshape(128, 128)
    end = await (await pair.prefill.put(new_request(), pair.receiver, [chunk], timeout=30)).ready()
    async with pair.decode.acquire(end.request, end.epoch) as got:
        array = got.pages[0].numpy("float32", (128, 128))
        assert array[127, 127] == 128 * 128 - 1
        assert not array.flags.writeable
        assert numpy.shares_memory(array, numpy.frombuffer(got.pages[0].view, dtype="float32"))


async def test_pools_of_one_name_and_pools_without_memory_are_refused(pool: SourcePool) -> None:
    with pytest.raises(KvferryError, match="belongs to an engine that runs") as taken:
        SourcePool.create(pool.segment, slot_bytes=PAGE_BYTES, slots=1)
    assert taken.value.code == "segment_exists"
    with pytest.raises(KvferryError, match="has no room for") as full:
        SourcePool.create(f"{pool.segment}-huge", slot_bytes=2**40, slots=2**10)
    assert full.value.code == "segment_invalid"
    with pytest.raises(KvferryError, match="are no memory"):
        SourcePool.create(f"{pool.segment}-none", slot_bytes=0, slots=1)


async def test_a_segment_that_the_agent_cannot_open_is_an_error(pair: Pair, segment: str) -> None:
    with SourcePool.create(f"{segment}-gone", slot_bytes=PAGE_BYTES, slots=1) as pool:
        os.unlink(pool.path)
        with pytest.raises(KvferryError) as gone:
            await PrefillEngine.open(pair.client, "prefill-0", pool)
        assert gone.value.code == "segment_not_found"


async def test_a_file_of_one_name_in_another_directory_is_not_taken_for_the_engines_own(
    client: Client, segment: str, shared: Path
) -> None:
    """As on another host, or in another container: what the agent finds under that name is of an earlier engine."""
    with SourcePool.create(segment, slot_bytes=PAGE_BYTES, slots=1, directory=str(shared)) as pool:
        _hide(shared)
        (shared / f"kvferry-{segment}").write_bytes(bytes(PAGE_BYTES))
        with pytest.raises(KvferryError, match="engine and agent must see the same directory") as unseen:
            await PrefillEngine.open(client, "prefill-0", pool)
        assert unseen.value.code == "segment_not_found"


async def test_an_engine_whose_memory_the_agent_does_not_see_takes_no_place(pair: Pair, shared: Path) -> None:
    own = pair.prefill.pool
    with SourcePool.create(own.segment, slot_bytes=PAGE_BYTES, slots=1, directory=str(shared)) as foreign:
        _hide(shared)
        with pytest.raises(KvferryError) as unseen:
            await PrefillEngine.open(pair.client, "prefill-0", foreign)
        assert unseen.value.code == "segment_not_found"
    before = pair.prefill._target.session.current
    key = fresh("a")[0]
    stream = await pair.prefill.put(new_request(), pair.receiver, await filled(pair.prefill, [key]), timeout=30)
    end = await stream.ready()
    async with pair.decode.acquire(end.request, end.epoch) as got:
        assert got.read(key) == content(key)
    assert (before is not None, pair.prefill._target.session.current) == (True, before)


@pytest.fixture
def shared(segment: str) -> Iterator[Path]:
    made = Path("/dev/shm") / f"kvferry-test-{segment}"
    made.mkdir()
    yield made
    for directory in (made, made.with_suffix(".engine")):
        shutil.rmtree(directory, ignore_errors=True)


def _hide(shared: Path) -> None:
    """The agent sees another directory under the name."""
    shared.rename(shared.with_suffix(".engine"))
    shared.mkdir()
