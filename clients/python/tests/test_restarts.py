"""Agents that die and NATS that is away: an engine goes on by itself, and each wait ends with an error."""

from __future__ import annotations

import asyncio
import signal

import pytest

from kvferry import Client, DecodeEngine, KvferryError, PrefillEngine, SourcePool
from kvferry.ends import RequestEnds

from .conftest import content, eventually, fake_of, filled, fresh, new_request
from .worlds.real import RealWorld
from .worlds.world import World


async def moved(engine: PrefillEngine, decode: DecodeEngine) -> None:
    """A prompt travels, and its bytes are right."""
    keys = fresh("a", "b")
    end = await (await engine.put(new_request(), decode.agent, await filled(engine, keys), timeout=30)).ready()
    async with decode.acquire(end.request, end.epoch, keys) as got:
        assert [bytes(page.view) for page in got.pages] == [content(key) for key in keys]


async def all_free(engine: PrefillEngine) -> None:
    await eventually(lambda: engine.free_slots == engine.pool.slots, "every slot is free again")


async def test_a_killed_prefill_agent_starts_again_and_its_engine_goes_on(
    world: World, client: Client, pool: SourcePool
) -> None:
    await world.start("prefill-1", "prefill")
    decode = DecodeEngine(client, "decode-0")
    engine = await PrefillEngine.open(client, "prefill-1", pool)
    await moved(engine, decode)
    begun = engine.begin(new_request(), "decode-0", total_chunks=2, timeout=30)
    await begun.append(await filled(engine, fresh("a")))
    await world.kill("prefill-1")
    end = await begun.end()
    assert (end.end, end.reason and end.reason["code"]) == ("failed", "sender_lost")
    await world.start("prefill-1", "prefill")
    with pytest.raises(KvferryError) as lost:
        await begun.append(await filled(engine, fresh("b")))
    assert (lost.value.code, lost.value.retryable) == ("sender_lost", True)
    await moved(engine, decode)
    await all_free(engine)
    await engine.close()
    await world.kill("prefill-1")


async def test_a_put_waits_for_an_agent_that_starts_again(world: World, client: Client, pool: SourcePool) -> None:
    await world.start("prefill-2", "prefill")
    decode = DecodeEngine(client, "decode-0")
    engine = await PrefillEngine.open(client, "prefill-2", pool, patience=60)
    await world.kill("prefill-2")
    waiting = asyncio.create_task(moved(engine, decode))
    await world.start("prefill-2", "prefill")
    await waiting
    await all_free(engine)
    await engine.close()
    await world.kill("prefill-2")


async def test_an_agent_that_stays_away_is_an_error_after_the_patience(
    world: World, client: Client, pool: SourcePool
) -> None:
    await world.start("prefill-3", "prefill")
    engine = await PrefillEngine.open(client, "prefill-3", pool, patience=0.5)
    await world.kill("prefill-3")
    with pytest.raises(KvferryError) as away:
        await engine.put(new_request(), "decode-0", await filled(engine, fresh("a")), timeout=30)
    assert (away.value.code, away.value.retryable) == ("no_responders", True)
    await all_free(engine)
    await engine.close()
    with pytest.raises(KvferryError) as absent:
        await PrefillEngine.open(client, "prefill-3", pool, patience=0.2)
    assert absent.value.code == "no_responders"


async def test_a_killed_decode_agent_fails_its_requests_and_its_arena_is_mapped_again(
    world: World, client: Client, pool: SourcePool
) -> None:
    await world.start("decode-1", "decode")
    decode = DecodeEngine(client, "decode-1", patience=0.3)
    async with await PrefillEngine.open(client, "prefill-0", pool) as engine:
        await moved(engine, decode)
        begun = engine.begin(new_request(), "decode-1", total_chunks=2, timeout=30)
        await begun.append(await filled(engine, fresh("a")))
        ready = await (
            await engine.put(new_request(), "decode-1", await filled(engine, fresh("c")), timeout=30)
        ).ready()
        async with decode.acquire(ready.request, ready.epoch) as got:
            await world.kill("decode-1")
            # The memory stays mapped, and nobody writes into it any more.
            assert bytes(got.pages[0].view) == content(got.pages[0].key)
        end = await begun.end()
        assert (end.end, end.reason and end.reason["code"]) == ("failed", "receiver_lost")
        with pytest.raises(KvferryError) as away:
            await decode.take(ready.request, ready.epoch)
        assert away.value.code == "no_responders"
        await world.start("decode-1", "decode")
        with pytest.raises(KvferryError) as unknown:
            await decode.take(ready.request, ready.epoch)
        assert unknown.value.code == "unknown_request"
        await moved(engine, decode)
        await all_free(engine)
    await world.kill("decode-1")


async def test_an_outage_of_nats_loses_events_and_the_end_is_asked_for(world: World, pool: SourcePool) -> None:
    client = await world.client()
    decode = DecodeEngine(client, "decode-0")
    engine = await PrefillEngine.open(client, "prefill-0", pool, patience=60)
    stream = engine.begin(new_request(), "decode-0", total_chunks=2, timeout=60)
    keys = fresh("a", "b")
    await stream.append(await filled(engine, keys[:1]))
    await world.interrupt_nats()
    await eventually(lambda: not client.is_connected, "the client notices the outage")
    with pytest.raises(KvferryError) as away:
        await client.describe("decode-0")
    assert (away.value.code, away.value.retryable) == ("disconnected", True)
    putting = asyncio.create_task(stream.append(await filled(engine, keys[1:])))
    await world.restore_nats()
    await putting
    end = await stream.ready()
    async with decode.acquire(end.request, end.epoch, keys) as got:
        assert [bytes(page.view) for page in got.pages] == [content(key) for key in keys]
    await moved(engine, decode)
    await all_free(engine)
    await engine.close()
    await client.close()


async def test_a_lost_terminal_event_is_asked_for(world: World, client: Client, pool: SourcePool) -> None:
    cluster = fake_of(world).cluster
    async with await PrefillEngine.open(client, "prefill-0", pool) as engine:
        cluster.may_move.clear()
        stream = await engine.put(new_request(), "decode-0", await filled(engine, fresh("a")), timeout=30)
        announced: list[object] = []
        observer = await world.client()
        await observer.on_terminal(announced.append)
        client._transport.set_connected(False)  # type: ignore[attr-defined]
        cluster.may_move.set()
        await eventually(lambda: announced, "the end is announced")
        client._transport.set_connected(True)  # type: ignore[attr-defined]
        end = await stream.ready()
        assert end.event is None
        await observer.close()
        await all_free(engine)
        await DecodeEngine(client, "decode-0").release(end.request, end.epoch)


async def test_a_lost_answer_is_repeated_and_executed_once(world: World, client: Client, pool: SourcePool) -> None:
    cluster = fake_of(world).cluster
    decode = DecodeEngine(client, "decode-0", call_timeout=0.1)
    async with await PrefillEngine.open(client, "prefill-0", pool, call_timeout=0.1) as engine:
        for operation in ("put", "acquire", "release"):
            cluster.lose_answer("decode-0" if operation != "put" else "prefill-0", operation)
            await moved(engine, decode)
        await all_free(engine)


async def test_a_put_without_any_answer_gives_its_slots_back_when_it_is_known(
    world: World, client: Client, pool: SourcePool
) -> None:
    cluster = fake_of(world).cluster
    async with await PrefillEngine.open(client, "prefill-0", pool, call_timeout=0.5, patience=0) as engine:
        cluster.lose_answer("prefill-0", "put")
        with pytest.raises(KvferryError) as late:
            await engine.put(new_request(), "decode-0", await filled(engine, fresh("a")), timeout=30)
        assert late.value.code == "deadline_exceeded"
        await all_free(engine)


async def test_a_request_whose_put_was_not_answered_can_be_cancelled(
    world: World, client: Client, pool: SourcePool
) -> None:
    cluster = fake_of(world).cluster
    agent = cluster.agents["prefill-0"]
    async with await PrefillEngine.open(client, "prefill-0", pool, call_timeout=0.5, patience=0) as engine:
        stream = engine.begin(new_request(), None, total_chunks=1, timeout=600)
        cluster.lose_answer("prefill-0", "put")
        with pytest.raises(KvferryError):
            await stream.append(await filled(engine, fresh("a")))
        assert [one.request for one in agent.sending.unended()] == [stream.plan.request]
        await stream.cancel()
        assert agent.sending.unended() == []
        await all_free(engine)


async def test_batches_behind_a_refused_one_leave_no_slot_behind(
    world: World, client: Client, pool: SourcePool
) -> None:
    fake_of(world)
    client._transport.message_bytes_max = 3000  # type: ignore[misc]
    async with await PrefillEngine.open(client, "prefill-0", pool) as engine:
        chunks = await filled(engine, [f"{key}{'-' * 400}" for key in fresh(*"abcdefgh")])
        with pytest.raises(KvferryError) as refused:
            await engine.put(new_request(), "prefill-0", chunks, timeout=30)
        assert refused.value.code == "role_mismatch"
        await all_free(engine)


async def test_a_cancelled_caller_leaves_no_slot_behind(client: Client, pool: SourcePool) -> None:
    async with await PrefillEngine.open(client, "prefill-0", pool) as engine:
        for steps in range(6):
            chunks = await filled(engine, fresh("a"))
            putting = asyncio.create_task(engine.put(new_request(), "decode-0", chunks, timeout=30))
            for _ in range(steps):
                await asyncio.sleep(0)
            putting.cancel()
            await asyncio.wait({putting})
            # A call that was cancelled before it began has put nothing.
            engine.discard(chunks)
        waiting = asyncio.create_task(engine.fill(fresh(*"abcdefgh"), timeout=30))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        await all_free(engine)


async def test_a_wait_for_an_end_that_nobody_announces_is_an_error(client: Client) -> None:
    ends = await RequestEnds.open(client)
    expected = ends.expect(new_request())
    with pytest.raises(KvferryError) as late:
        await expected.wait(0.05)
    assert late.value.code == "deadline_exceeded"
    other = ends.expect(new_request())
    await ends.close()
    with pytest.raises(KvferryError) as closed:
        await other.wait(1)
    assert closed.value.code == "closed"


async def test_a_stopped_prefill_agent_answers_late_and_executes_once(real: RealWorld, pool: SourcePool) -> None:
    await asyncio.gather(real.start("prefill-s", "prefill"), real.start("decode-s", "decode"))
    client = await real.client()
    decode = DecodeEngine(client, "decode-s")
    engine = await PrefillEngine.open(client, "prefill-s", pool, call_timeout=0.2, patience=0.4)
    await moved(engine, decode)
    real.signal("prefill-s", signal.SIGSTOP)
    stream = engine.begin(new_request(), "decode-s", total_chunks=1, timeout=30)
    with pytest.raises(KvferryError) as late:
        await stream.append(await filled(engine, fresh("a")))
    assert late.value.code == "deadline_exceeded"
    assert engine.free_slots == engine.pool.slots - 1
    real.signal("prefill-s", signal.SIGCONT)
    await all_free(engine)
    await moved(engine, decode)
    await engine.close()
    await client.close()
    await real.kill("prefill-s")
    await real.kill("decode-s")


async def test_a_stopped_decode_agent_is_waited_for(real: RealWorld, pool: SourcePool) -> None:
    await asyncio.gather(real.start("prefill-t", "prefill"), real.start("decode-t", "decode"))
    client = await real.client()
    decode = DecodeEngine(client, "decode-t", call_timeout=0.2, patience=30)
    engine = await PrefillEngine.open(client, "prefill-t", pool)
    keys = fresh("a")
    end = await (await engine.put(new_request(), "decode-t", await filled(engine, keys), timeout=30)).ready()
    real.signal("decode-t", signal.SIGSTOP)
    taking = asyncio.create_task(decode.take(end.request, end.epoch, keys))
    with pytest.raises(KvferryError) as late:
        await DecodeEngine(client, "decode-t", call_timeout=0.1, patience=0).take(end.request, end.epoch)
    assert late.value.code == "deadline_exceeded"
    real.signal("decode-t", signal.SIGCONT)
    got = await taking
    assert got.read(keys[0]) == content(keys[0])
    await engine.close()
    await client.close()
    await real.kill("prefill-t")
    await real.kill("decode-t")
