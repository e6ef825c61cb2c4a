"""What only fake agents do."""

from __future__ import annotations

import asyncio

import pytest

import kvferry
from kvferry import DecodeEngine, KvferryError, PrefillEngine, SourcePool
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


async def test_a_close_that_was_cancelled_or_failed_is_repeated(
    pool: SourcePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeCluster(page_bytes=PAGE_BYTES, heartbeat_seconds=60) as cluster, cluster.client() as client:
        agent = await cluster.start("prefill-f", "prefill")
        await cluster.start("decode-f", "decode")
        engine = await PrefillEngine.open(client, "prefill-f", pool)
        cluster.may_move.clear()
        await engine.put(new_request(), "decode-f", await filled(engine, fresh("a")), timeout=30)
        closing = asyncio.create_task(engine.close())
        await asyncio.sleep(0.1)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        [session] = agent.sessions.values()
        assert not session.ended
        monkeypatch.setattr("kvferry.prefill_engine._CLOSE_PATIENCE", 0.0)
        monkeypatch.setattr("kvferry.session._END_PATIENCE", 0.0)
        with monkeypatch.context() as reading:
            reading.setattr(agent.sending, "end_session", lambda _: 1)
            with pytest.raises(KvferryError, match="still reads 1 chunks"):
                await engine.close()
        assert session.ended
        await engine.close()
        assert engine.free_slots == 8
        await engine.close()


async def test_a_client_ends_what_a_failed_close_has_left(pool: SourcePool) -> None:
    async with FakeCluster(page_bytes=PAGE_BYTES) as cluster:
        async with cluster.client() as client:
            await cluster.start("prefill-f", "prefill")
            engine = await PrefillEngine.open(client, "prefill-f", pool)
            closing = asyncio.create_task(engine.close())
            await asyncio.sleep(0)
            closing.cancel()
            await asyncio.wait({closing})
            renewing = engine._target.session._renewing
            assert renewing is not None
            assert not renewing.done()
        await asyncio.wait({renewing}, timeout=10)
        assert renewing.done()
        with pytest.raises(KvferryError):
            await engine.fill(["a"])
