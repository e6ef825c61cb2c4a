"""What only fake agents do."""

from __future__ import annotations

import kvferry
from kvferry import DecodeEngine, PrefillEngine, SourcePool
from kvferry.nats_access import NatsAccess
from kvferry.testing import FakeCluster
from kvferry.transport import connect_nats

from .conftest import content, eventually, filled, fresh, new_request
from .worlds.real import RealWorld
from .worlds.world import PAGE_BYTES


async def test_fake_agents_serve_clients_of_a_nats_server(real: RealWorld, pool: SourcePool) -> None:
    transport = await connect_nats(real.url, "fake agents", 10, NatsAccess(), {})
    async with (
        FakeCluster(page_bytes=PAGE_BYTES, transport=transport) as cluster,
        await kvferry.connect(real.url) as client,
    ):
        await cluster.start("prefill-f", "prefill")
        await cluster.start("decode-f", "decode")
        keys = fresh("a", "b")
        async with await PrefillEngine.open(client, "prefill-f", pool) as engine:
            stream = await engine.put(new_request(), "decode-f", await filled(engine, keys), timeout=30)
            end = await stream.ready()
            async with DecodeEngine(client, "decode-f").acquire(end.request, end.epoch, keys) as got:
                assert [bytes(page.view) for page in got.pages] == [content(key) for key in keys]
        assert {agent["agent"] for agent in await client.discover(0.5)} >= {"prefill-f", "decode-f"}
    await transport.close()


async def test_bytes_that_do_not_move_keep_a_request_in_progress(pool: SourcePool) -> None:
    async with FakeCluster(page_bytes=PAGE_BYTES) as cluster, cluster.client() as client:
        await cluster.start("prefill-f", "prefill")
        await cluster.start("decode-f", "decode")
        async with await PrefillEngine.open(client, "prefill-f", pool) as engine:
            cluster.may_move.clear()
            stream = await engine.put(new_request(), "decode-f", await filled(engine, fresh("a")), timeout=30)
            assert (await client.status("prefill-f"))["segments"][0]["chunksInUse"] == 1
            cluster.may_move.set()
            await stream.ready()
            cluster.may_move.clear()
            late = await engine.put(new_request(), "decode-f", await filled(engine, fresh("b")), timeout=0.05)
            assert (await late.end()).end == "expired"
            await eventually(lambda: engine.free_slots == 8, "every slot is free again")


async def test_a_stopping_agent_says_that_it_leaves(pool: SourcePool) -> None:
    async with FakeCluster(page_bytes=PAGE_BYTES, heartbeat_seconds=60) as cluster, cluster.client() as client:
        agent = await cluster.start("prefill-f", "prefill")
        await cluster.start("decode-f", "decode")
        async with await PrefillEngine.open(client, "prefill-f", pool) as engine:
            cluster.may_move.clear()
            await engine.put(new_request(), "decode-f", await filled(engine, fresh("a")), timeout=30)
            assert engine.free_slots == 7
            # Nothing that a process reads can become ready once it is gone.
            await agent.say_leaving()
            await eventually(lambda: engine.free_slots == 8, "the slot is free again")
