"""Chunks of two LMCache servers, from a store to a load, with fake and with real agents."""

from __future__ import annotations

import asyncio

import pytest

from kvferry import KvferryError
from kvferry.lmcache.keys import NAMES_OF_A_CHUNK

from ..conftest import eventually
from ..worlds.world import World
from .servers import SLOTS, Key, content, name_of, new_keys, server, settled

OFFERS = ("prefill-0",)


async def test_offered_chunks_are_loaded_by_the_server_that_looks_them_up(world: World) -> None:
    async with server(world, "prefill-0") as prefill, server(world, "decode-0", senders=OFFERS) as decode:
        keys = new_keys(3)
        assert await prefill.store(keys) == 3000
        assert await decode.fetch(keys) == [content(key) for key in keys]
        assert decode.locks.count == 0
        await settled(decode)
        await eventually(lambda: prefill.free_slots == SLOTS, "every slot is free again")


async def test_chunks_of_a_configured_receiver_are_found_in_its_arena(world: World) -> None:
    # Its own agent: the chunks stay until the leases of their request end by time.
    await world.start("decode-r", "decode")
    async with server(world, "prefill-0", receiver="decode-r") as prefill, server(world, "decode-r") as decode:
        keys = new_keys(2)
        await prefill.store(keys)
        await eventually(lambda: prefill.free_slots == SLOTS, "the chunks were delivered")
        found = [False]
        while not all(found):
            found = await decode.lookup(keys)
        assert await decode.load(keys) == [content(key) for key in keys]
        decode.locks.unlock(keys * 9)
        assert decode.locks.count == 0
    await world.kill("decode-r")


async def test_only_the_chunks_that_are_offered_are_found(world: World) -> None:
    async with server(world, "prefill-0") as prefill, server(world, "decode-0", senders=OFFERS) as decode:
        keys = new_keys(4)
        await prefill.store(keys[1:3])
        assert await decode.fetch(keys) == [None, content(keys[1]), content(keys[2]), None]
        assert await decode.fetch(new_keys(2)) == [None, None]
        await settled(decode)


async def test_chunks_that_are_there_are_found_with_those_that_are_fetched(world: World) -> None:
    async with server(world, "prefill-0") as prefill, server(world, "decode-0", senders=OFFERS) as decode:
        keys = new_keys(2)
        await prefill.store(keys[:1])
        assert await decode.lookup(keys[:1]) == [True]
        await prefill.store(keys[1:])
        assert await decode.fetch(keys) == [content(key) for key in keys]
        decode.locks.unlock(keys[:1])
        await settled(decode)


async def test_a_chunk_that_is_stored_after_the_lookup_began_is_found(world: World) -> None:
    async with (
        server(world, "prefill-0") as prefill,
        server(world, "decode-0", senders=OFFERS, unknown_timeout=20) as decode,
    ):
        keys = new_keys(1)
        fetching = asyncio.ensure_future(decode.fetch(keys))
        await asyncio.sleep(0)
        await prefill.store(keys)
        assert await fetching == [content(keys[0])]


async def test_lookups_of_one_chunk_at_the_same_time_share_its_transfer(world: World) -> None:
    async with server(world, "prefill-0") as prefill, server(world, "decode-0", senders=OFFERS) as decode:
        keys = new_keys(2)
        await prefill.store(keys)
        assert await asyncio.gather(*(decode.lookup(keys) for _ in range(5))) == [[True, True]] * 5
        for _ in range(5):
            assert await decode.load(keys) == [content(key) for key in keys]
            decode.locks.unlock(keys)
        assert decode.locks.count == 0
        await settled(decode)


async def test_a_chunk_that_is_stored_again_is_offered_again(world: World) -> None:
    async with server(world, "prefill-0") as prefill, server(world, "decode-0", senders=OFFERS) as decode:
        keys = new_keys(1)
        for _ in range(NAMES_OF_A_CHUNK):
            await prefill.store(keys)
            # It is offered, so that a second store changes nothing.
            await prefill.store(keys)
            assert await decode.fetch(keys) == [content(keys[0])]
            await settled(decode)
            await eventually(lambda: prefill.free_slots == SLOTS, "the slot is free again")
        with pytest.raises(KvferryError) as often:
            await prefill.store(keys)
        assert often.value.code == "request_ended"
        assert prefill.free_slots == SLOTS


async def test_each_of_several_decode_servers_loads_its_copy(world: World) -> None:
    await world.start("decode-c", "decode")
    async with (
        server(world, "prefill-0", copies=2) as prefill,
        server(world, "decode-0", senders=OFFERS) as first,
        server(world, "decode-c", senders=OFFERS) as second,
    ):
        keys = new_keys(3)
        assert await prefill.store(keys) == 3000
        assert prefill.free_slots == 0
        for got in await asyncio.gather(first.fetch(keys), second.fetch(keys)):
            assert got == [content(key) for key in keys]
        await settled(second)
        await eventually(lambda: prefill.free_slots == SLOTS, "every slot is free again")
    await world.kill("decode-c")


async def test_a_chunk_of_another_layout_is_not_found(world: World) -> None:
    async with server(world, "prefill-0") as prefill, server(world, "decode-0", senders=OFFERS) as decode:
        key = new_keys(1)[0]
        await prefill.store([key])
        assert await decode.locks.lookup({key: name_of(key, "bfloat16")}) == set()
        other = Key(key.chunk_hash, cache_salt="tenant")
        assert await decode.fetch([other]) == [None]
        assert await decode.fetch([key]) == [content(key)]


async def test_source_memory_that_is_full_is_an_error_and_comes_back(world: World) -> None:
    async with server(world, "prefill-0", offer_timeout=0.3) as prefill:
        await prefill.store(new_keys(SLOTS))
        with pytest.raises(KvferryError, match="source memory is full: 0 of 6 chunks are free, and 2 are stored"):
            await prefill.store(new_keys(2))
        await eventually(lambda: prefill.free_slots == SLOTS, "the offers have expired")
        assert await prefill.store(new_keys(2)) == 2000


async def test_a_load_without_a_lookup_is_not_right(world: World) -> None:
    async with server(world, "decode-0") as decode:
        assert await decode.load(new_keys(1)) == [None]


async def test_a_decode_server_stores_nothing_and_a_prefill_server_finds_nothing(world: World) -> None:
    async with server(world, "prefill-0") as prefill, server(world, "decode-0") as decode:
        assert await decode.store(new_keys(1)) == 0
        assert await prefill.lookup(new_keys(1)) == [False]
