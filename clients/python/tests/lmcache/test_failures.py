"""Agents and NATS that are away: a miss or an error in time, and service again without a restart of LMCache."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kvferry import KvferryError, PrefillEngine, RequestEnd
from kvferry.lmcache.config import AdapterConfig
from kvferry.lmcache.copying import copy
from kvferry.lmcache.fetching import Fetching, _own, _Routed
from kvferry.lmcache.link import Link
from kvferry.lmcache.releases import Releases
from kvferry.lmcache.storing import Stored
from kvferry.waiting import now

from ..conftest import eventually
from ..worlds.world import PAGE_BYTES, World
from .servers import SLOTS, Server, content, name_of, new_keys, server, settled


async def test_nothing_moves_before_the_connection_is_made(world: World) -> None:
    config = AdapterConfig(agent="decode-0")
    early = Server(Link(world.client, "decode-0"), config)
    with pytest.raises(KvferryError, match="nothing can be moved: kvferry is not connected yet"):
        await early.lookup(new_keys(1))
    with pytest.raises(KvferryError, match="nothing can be moved"):
        await early.store(new_keys(1))


async def test_an_agent_that_is_away_is_a_miss_at_once_and_used_again_after_its_restart(world: World) -> None:
    await world.start("decode-l", "decode")
    async with server(world, "prefill-0") as prefill, server(world, "decode-l", senders=("prefill-0",)) as decode:
        await world.kill("decode-l")
        began = now()
        with pytest.raises(KvferryError):
            await decode.lookup(new_keys(1))
        assert now() - began < 10
        await world.start("decode-l", "decode")
        keys = new_keys(2)
        await prefill.store(keys)
        assert await decode.fetch(keys) == [content(key) for key in keys]
        await settled(decode)
    await world.kill("decode-l")


async def test_a_prefill_agent_that_restarts_has_lost_its_offers_and_takes_new_ones(world: World) -> None:
    await world.start("prefill-l", "prefill")
    async with server(world, "prefill-l") as prefill, server(world, "decode-0", senders=("prefill-l",)) as decode:
        keys = new_keys(2)
        await prefill.store(keys)
        await world.kill("prefill-l")
        assert await decode.fetch(keys) == [None, None]
        await world.start("prefill-l", "prefill")
        await eventually(lambda: prefill.free_slots == SLOTS, "the memory of the lost offers is free again")
        again = new_keys(1)
        until = now() + 30
        while True:
            try:
                await prefill.store(again)
                break
            except KvferryError:
                assert now() < until
        assert await decode.fetch(again) == [content(again[0])]
    await world.kill("prefill-l")


async def test_the_sender_that_is_away_is_passed_over(world: World) -> None:
    async with (
        server(world, "prefill-0") as prefill,
        server(world, "decode-0", senders=("prefill-none", "prefill-0")) as decode,
    ):
        keys = new_keys(2)
        await prefill.store(keys)
        assert await decode.fetch(keys) == [content(key) for key in keys]


async def test_a_load_after_the_lease_is_over_is_not_right(world: World) -> None:
    await world.start("decode-s", "decode", lease_seconds=1)
    async with server(world, "prefill-0") as prefill, server(world, "decode-s", senders=("prefill-0",)) as decode:
        keys = new_keys(1)
        await prefill.store(keys)
        assert await decode.lookup(keys) == [True]
        lease = decode.locks._leases[keys[0]][0]
        await eventually(lambda: not lease.acquired.is_leased, "the lease is over")
        assert await decode.load(keys) == [None]
        # Its keys are forgotten, although LMCache never unlocks them.
        await decode.lookup(new_keys(1))
        assert decode.locks.count == 0
    await world.kill("decode-s")


async def test_pages_that_are_too_small_are_a_miss_and_one_line_with_both_sizes(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.start("prefill-p", "prefill")
    async with (
        server(world, "prefill-p", memory_bytes=2 * PAGE_BYTES + 2) as prefill,
        server(world, "decode-0", senders=("prefill-p",)) as decode,
    ):
        key = new_keys(1)[0]
        await prefill.storing.store([Stored(name_of(key), bytes(PAGE_BYTES + 1), PAGE_BYTES + 1)])
        assert await decode.fetch([key]) == [None]
    [line] = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert line.startswith(f"kvferry: chunks are computed again: chunks of {PAGE_BYTES + 1} bytes ")
    assert f" page of {PAGE_BYTES} " in line
    await world.kill("prefill-p")


async def test_chunks_that_do_not_fit_the_slots_are_refused_with_the_remedy(world: World) -> None:
    async with server(world, "prefill-0", chunk_bytes=500) as prefill:
        with pytest.raises(KvferryError, match="a chunk has 1000 bytes, and slots have 500: set chunk_bytes 1000"):
            await prefill.store(new_keys(1))


async def test_a_lease_that_is_over_before_the_copy_is_made_is_not_right(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server(world, "prefill-0") as prefill, server(world, "decode-0", senders=("prefill-0",)) as decode:
        keys = new_keys(1)
        await prefill.store(keys)
        assert await decode.lookup(keys) == [True]

        def copy_for_ever(source: Any, target: Any) -> None:
            copy(source, target)
            monkeypatch.setattr("kvferry.acquired.now", lambda: float("inf"))

        monkeypatch.setattr("kvferry.lmcache.locks.copy", copy_for_ever)
        assert await decode.load(keys) == [None]


class HeldFetching(Fetching):
    """Its chunks arrive when a test says so."""

    def __init__(self, released: list[str]) -> None:
        releases = SimpleNamespace(release=lambda request, _: released.append(request))
        super().__init__(cast(Link, None), cast(Releases, releases), AdapterConfig(agent="d"))
        self.may_arrive = asyncio.Event()

    async def _fetch(self, chunk: str) -> RequestEnd:
        if chunk != "there":
            await self.may_arrive.wait()
        return RequestEnd(chunk, "a" * 16, "ready")


async def test_a_chunk_that_is_late_for_one_lookup_stays_for_the_next_one() -> None:
    released: list[str] = []
    fetching = HeldFetching(released)
    async with fetching.fetched(["chunk"], now()):
        pass
    asyncio.get_running_loop().call_soon(fetching.may_arrive.set)
    async with fetching.fetched(["chunk"], now() + 30):
        assert released == []
    await eventually(lambda: released == ["chunk"], "its lease is given back")


async def test_chunks_that_are_late_are_named_although_others_have_arrived(caplog: pytest.LogCaptureFixture) -> None:
    fetching = HeldFetching([])
    async with fetching.fetched(["there"], now() + 30), fetching.fetched(["there", "late", "later"], now()):
        assert "2 chunks did not arrive within" in caplog.text
    fetching.may_arrive.set()


async def test_the_sender_that_had_a_chunk_last_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    fetching, asked = HeldFetching([]), []
    fetching._senders = ["p-0", "p-1", "p-2"]

    async def routed_at(sender: str, chunk: str) -> _Routed | None:
        asked.append(sender)
        return _Routed(sender, chunk, "a" * 16, cast(Any, None)) if sender == "p-1" else None

    monkeypatch.setattr(fetching, "_routed_at", routed_at)
    for chunk in ("a", "b"):
        await fetching._routed(chunk)
    assert asked == ["p-0", "p-1", "p-1"]


async def test_a_server_that_closes_waits_for_the_leases_that_it_gives_back() -> None:
    may_answer, released = asyncio.Event(), []

    async def release(request: str, _: str) -> None:
        await may_answer.wait()
        released.append(request)

    link = SimpleNamespace(connected=SimpleNamespace(releasing=SimpleNamespace(release=release)))
    releases = Releases(cast(Link, link))
    releases.release("r", "a" * 16)
    closing = asyncio.ensure_future(releases.close())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not closing.done()
    may_answer.set()
    await closing
    assert released == ["r"]


async def test_a_chunk_of_another_length_is_not_right(world: World) -> None:
    async with server(world, "prefill-0") as prefill, server(world, "decode-0", senders=("prefill-0",)) as decode:
        keys = new_keys(1)
        await prefill.storing.store([Stored(name_of(keys[0]), bytes(999), 999)])
        assert await decode.fetch(keys) == [None]


def test_an_offer_of_another_run_of_the_prefill_agent_is_not_the_chunk_that_was_routed() -> None:
    routed = _Routed("p", "r", "a" * 16, cast(Any, None))
    assert _own(routed, RequestEnd("r", "a" * 16, "ready")).end == "ready"
    with pytest.raises(KvferryError) as other:
        _own(routed, RequestEnd("r", "b" * 16, "ready"))
    assert other.value.code == "sender_lost"


@pytest.mark.parametrize("receiver", [None, "decode-0"])
async def test_slots_come_back_from_a_store_that_cannot_begin(
    world: World, receiver: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server(world, "prefill-0", receiver=receiver) as prefill:
        monkeypatch.setattr("kvferry.ends._EXPECTED_MAX", 0)
        with pytest.raises(KvferryError, match="ends of requests are expected already"):
            await prefill.store(new_keys(2))
        assert prefill.free_slots == SLOTS


async def test_stores_that_wait_for_an_agent_that_is_away_end_with_the_first_one(world: World) -> None:
    """Each of them waits for some seconds otherwise, one behind the other, and keeps memory of LMCache."""
    attempts = 0

    async def away(*_: object, **__: object) -> PrefillEngine:
        nonlocal attempts
        attempts += 1
        raise KvferryError("no_responders", "the agent is away")

    async with server(world, "prefill-0") as prefill:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PrefillEngine, "open", away)
            stores = await asyncio.gather(*(prefill.store(new_keys(1)) for _ in range(5)), return_exceptions=True)
        assert ([str(one) for one in stores], attempts) == (["the agent is away [no_responders]"] * 5, 1)
        # The time is over after which the agent is asked again.
        prefill.storing._refused_until = now()
        assert await prefill.store(new_keys(1)) == 1000


async def test_slots_come_back_from_a_store_that_is_cancelled_before_its_offers_begin(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server(world, "prefill-0") as prefill:
        storing = prefill.storing
        stored = [Stored(name_of(key), content(key), 1000) for key in new_keys(2)]
        chunks = await storing._filled(await storing._opened(1000), stored)
        monkeypatch.setattr(storing, "_filled", lambda *_: asyncio.sleep(0, chunks))
        task = asyncio.ensure_future(storing.store(stored))
        # Until it has made its tasks, and none of them has begun.
        for _ in range(2):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert prefill.free_slots == SLOTS
