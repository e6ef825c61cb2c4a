"""Prompts whose receiver is named after the put."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kvferry import Client, KvferryError, PrefillEngine, RequestEnds, SourcePool, ask_end, sync

from .conftest import Pair, content, eventually, filled, fresh, new_request
from .test_sync import Fakes
from .worlds.world import PAGE_BYTES, World


async def test_an_offered_prompt_travels_when_it_is_routed(pair: Pair) -> None:
    keys, request = fresh("a", "b"), new_request()
    stream = await pair.prefill.put(request, None, await filled(pair.prefill, keys), timeout=30)
    assert stream.epoch is not None
    assert await ask_end(pair.client, request, stream.epoch, sender="prefill-0", receiver=None) is None
    routed = await pair.client.route(
        "prefill-0", request=request, epoch=stream.epoch, receiver=pair.receiver, timeoutMs=20_000
    )
    assert routed["epoch"] == stream.epoch
    end = await stream.ready()
    assert end.event is not None
    assert (end.event.get("receiver"), end.event["chunks"]) == (pair.receiver, 2)
    async with pair.decode.acquire(request, end.epoch, keys) as got:
        assert [bytes(page.view) for page in got.pages] == [content(key) for key in keys]


async def test_batches_after_the_route_are_sent_too(pair: Pair) -> None:
    keys, request = fresh("a", "b", "c"), new_request()
    stream = pair.prefill.begin(request, None, total_chunks=3, timeout=30)
    await stream.append(await filled(pair.prefill, keys[:1]))
    await pair.client.route("prefill-0", request=request, receiver=pair.receiver)
    await stream.append(await filled(pair.prefill, keys[1:]))
    end = await stream.ready()
    async with pair.decode.acquire(request, end.epoch, keys) as got:
        assert [bytes(page.view) for page in got.pages] == [content(key) for key in keys]


async def test_a_second_route_changes_nothing_and_another_receiver_is_refused(world: World, pair: Pair) -> None:
    await world.start("decode-offers", "decode")
    try:
        request = new_request()
        stream = await pair.prefill.put(request, None, await filled(pair.prefill, fresh("a")), timeout=30)
        # With a batch that is still to come, the request has not ended before the second route.
        other = pair.prefill.begin(new_request(), None, total_chunks=2, timeout=30)
        await other.append(await filled(pair.prefill, fresh("b")))
        name = other.plan.request
        for _ in range(2):
            await pair.client.route("prefill-0", request=name, receiver=pair.receiver)
        with pytest.raises(KvferryError) as raised:
            await pair.client.route("prefill-0", request=name, receiver="decode-offers")
        assert (raised.value.code, raised.value.details.receiver) == ("already_routed", pair.receiver)
        await other.append(await filled(pair.prefill, fresh("c")))
        await other.ready()
        await pair.client.route("prefill-0", request=request, receiver="decode-offers")
        assert (await stream.ready()).event is not None
    finally:
        await world.kill("decode-offers")


async def test_a_refused_route_leaves_the_request_offered(pair: Pair) -> None:
    request = new_request()
    stream = await pair.prefill.put(request, None, await filled(pair.prefill, fresh("a")), timeout=30)
    for receiver, code in (("nowhere", "unknown_receiver"), ("prefill-0", "role_mismatch")):
        with pytest.raises(KvferryError) as raised:
            await pair.client.route("prefill-0", request=request, receiver=receiver)
        assert raised.value.code == code
    await pair.client.route("prefill-0", request=request, receiver=pair.receiver)
    await stream.ready()


async def test_an_offer_that_nobody_routes_expires_and_returns_its_memory(pair: Pair) -> None:
    free = pair.prefill.free_slots
    stream = await pair.prefill.put(new_request(), None, await filled(pair.prefill, fresh("a")), timeout=0.3)
    end = await stream.end()
    assert end.end == "expired"
    assert end.event is not None
    assert "receiver" not in end.event
    await eventually(lambda: pair.prefill.free_slots == free, "the slot is free again")
    with pytest.raises(KvferryError) as raised:
        await pair.client.route("prefill-0", request=end.request, receiver=pair.receiver)
    assert (raised.value.code, raised.value.details.end) == ("request_ended", "expired")


async def test_a_cancelled_offer_returns_its_memory(pair: Pair) -> None:
    free = pair.prefill.free_slots
    stream = await pair.prefill.put(new_request(), None, await filled(pair.prefill, fresh("a")), timeout=30)
    assert stream.epoch is not None
    await stream.cancel()
    end = await stream.end()
    assert end.end == "cancelled"
    await eventually(lambda: pair.prefill.free_slots == free, "the slot is free again")
    asked = await ask_end(pair.client, end.request, end.epoch, sender="prefill-0", receiver=None)
    assert asked is not None
    assert asked.end == "cancelled"


async def test_a_restarted_agent_has_forgotten_its_offers(world: World, client: Client, segment: str) -> None:
    name = f"prefill-{segment}"
    await world.start(name, "prefill")
    with SourcePool.create(segment, slot_bytes=PAGE_BYTES, slots=2) as pool:
        async with await PrefillEngine.open(client, name, pool) as engine:
            stream = await engine.put(new_request(), None, await filled(engine, fresh("a")), timeout=30)
            epoch = stream.epoch
            assert epoch is not None
            await world.kill(name)
            await world.start(name, "prefill")
            with pytest.raises(KvferryError) as raised:
                await client.route(name, request=stream.plan.request, epoch=epoch, receiver="decode-0")
            assert raised.value.code == "unknown_request"
            with pytest.raises(KvferryError) as lost:
                await stream.end(10)
            assert lost.value.code == "sender_lost"
            await eventually(lambda: engine.free_slots == 2, "the slot is free again")
    await world.kill(name)


async def test_ranks_without_a_receiver_are_refused(pair: Pair) -> None:
    ranks = {"rank": 0, "members": [{"sender": "prefill-0", "receiver": "decode-0"}]}
    with pytest.raises(KvferryError, match="ranks without a receiver"):
        pair.prefill.begin("x", None, total_chunks=1, timeout=1, ranks=ranks)  # type: ignore[arg-type]


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def threads(fakes: Fakes) -> Iterator[sync.Client]:
    with sync.Client.start(fakes.client) as made:
        assert fakes.cluster is not None
        try:
            yield made
        finally:
            made.run(fakes.cluster.close())


def test_a_thread_routes_a_prompt_that_another_one_has_offered(threads: sync.Client, pool: SourcePool) -> None:
    keys, request = fresh("a"), new_request()
    decode = threads.decode_engine("decode-0")
    with threads.prefill_engine("prefill-0", pool) as prefill:
        chunks = prefill.fill(keys)
        chunks[0].view[:] = content(keys[0])
        stream = prefill.put(request, None, chunks, timeout=30)
        expected = threads.expect(request, 30)
        assert threads.route("prefill-0", request, "decode-0", epoch=stream.epoch, timeout=10) == stream.epoch
        end = expected.result(30).check_ready()
        with decode.acquire(request, end.epoch, keys) as got:
            assert got.read(keys[0]) == content(keys[0])


async def test_the_decode_side_expects_the_end_before_it_routes(pair: Pair) -> None:
    request, keys = new_request(), fresh("a")
    await pair.prefill.put(request, None, await filled(pair.prefill, keys), timeout=30)
    ends = await RequestEnds.open(pair.client)
    try:
        expected = ends.expect(request)
        await pair.client.route("prefill-0", request=request, receiver=pair.receiver)
        assert (await expected.wait(20)).check_ready().end == "ready"
    finally:
        await ends.close()
