"""A request over two tensor-parallel ranks, with real agents: fake ones have no ranks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kvferry import DecodeEngine, KvferryError, PrefillEngine, PutStream, SourcePool
from kvferry.testing import FakeCluster

from .conftest import content, filled, fresh, new_request
from .worlds.real import RealWorld
from .worlds.world import PAGE_BYTES

if TYPE_CHECKING:
    from kvferry.protocol.messages import Ranks

MEMBERS = [
    {"sender": "prefill-r0", "receiver": "decode-r0"},
    {"sender": "prefill-r1", "receiver": "decode-r1"},
]


def ranks(rank: int) -> Ranks:
    return {"rank": rank, "members": MEMBERS}  # type: ignore[typeddict-item]


async def test_all_ranks_are_ready_together_and_each_reads_its_own_pages(real: RealWorld, segment: str) -> None:
    await asyncio.gather(
        *(real.start(member["sender"], "prefill") for member in MEMBERS),
        *(real.start(member["receiver"], "decode") for member in MEMBERS),
    )
    client = await real.client()
    pools = [SourcePool.create(f"{segment}-{rank}", slot_bytes=PAGE_BYTES, slots=4) for rank in range(2)]
    engines = [
        await PrefillEngine.open(client, member["sender"], pool) for member, pool in zip(MEMBERS, pools, strict=True)
    ]
    keys = [fresh("a", "b"), fresh("a", "b")]

    async def put(request: str, rank: int) -> PutStream:
        chunks = await filled(engines[rank], keys[rank])
        return await engines[rank].put(request, MEMBERS[rank]["receiver"], chunks, timeout=30, ranks=ranks(rank))

    request = new_request()
    streams = await asyncio.gather(put(request, 0), put(request, 1))
    ends = await asyncio.gather(*(stream.ready() for stream in streams))
    assert ends[0] == ends[1]
    for rank, member in enumerate(MEMBERS):
        epoch = ends[0].epoch_of(rank)
        async with DecodeEngine(client, member["receiver"]).acquire(request, epoch, keys[rank]) as got:
            assert [bytes(page.view) for page in got.pages] == [content(key) for key in keys[rank]]
    with pytest.raises(KvferryError, match="names no rank 2"):
        ends[0].epoch_of(2)

    # One rank is cancelled: both end.
    other = new_request()
    one = await put(other, 0)
    await one.cancel()
    assert (await one.end()).end == "cancelled"

    # A router names the receivers and the ranks late: each engine hears the one end, which has the epoch of rank 0.
    late = new_request()
    offers = []
    for rank, engine in enumerate(engines):
        chunks = await filled(engine, keys[rank])
        offers.append(await engine.put(late, None, chunks, timeout=30))
    for rank, member in enumerate(MEMBERS):
        fields = {"request": late, "receiver": member["receiver"], "ranks": ranks(rank)}
        await client.route(member["sender"], **fields)  # type: ignore[arg-type]
    routed = await asyncio.gather(*(offer.ready(10) for offer in offers))
    assert [end.event for end in routed] == [routed[0].event] * 2

    for engine, pool in zip(engines, pools, strict=True):
        await engine.close()
        pool.close()
    await client.close()
    for member in MEMBERS:
        await real.kill(member["sender"])
        await real.kill(member["receiver"])


async def test_a_fake_agent_refuses_ranks(pool: SourcePool) -> None:
    async with FakeCluster() as cluster, cluster.client() as client:
        await cluster.start("prefill-r0", "prefill")
        await cluster.start("decode-r0", "decode")
        async with await PrefillEngine.open(client, "prefill-r0", pool) as engine:
            with pytest.raises(KvferryError, match="has no ranks"):
                await engine.put("r", "decode-r0", await engine.fill(["a"]), timeout=5, ranks=ranks(0))
