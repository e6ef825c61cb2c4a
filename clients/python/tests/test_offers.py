"""T29: a prompt that is put without a receiver, and sent to the one that a router or a decode engine names."""

from __future__ import annotations

import asyncio

import pytest

from kvferry import DecodeEngine, KvferryError
from kvferry.ends import RequestEnds

from .conftest import Pair, content, eventually, filled, fresh, new_request
from .worlds.world import World


async def test_an_offered_prompt_is_sent_to_the_first_receiver_that_is_named(pair: Pair) -> None:
    keys = fresh("a", "b")
    ends = await RequestEnds.open(pair.client)
    request = new_request()
    expected = ends.expect(request)
    stream = pair.prefill.begin(request, None, total_chunks=2, timeout=30)
    await stream.append(await filled(pair.prefill, keys[:1]))
    epoch = await pair.decode.route(request, "prefill-0", timeout=30)
    assert epoch == stream.epoch
    # Another route changes nothing.
    assert await pair.decode.route(request, "prefill-0", epoch=epoch) == epoch
    with pytest.raises(KvferryError) as second:
        await pair.client.route("prefill-0", request=request, receiver="decode-9")
    assert (second.value.code, second.value.details.receiver) == ("already_routed", "decode-0")
    # Prefill goes on.
    await stream.append(await filled(pair.prefill, keys[1:]))
    end = (await expected.wait(30)).check_ready()
    async with pair.decode.acquire(end.request, end.epoch, keys) as got:
        assert [bytes(page.view) for page in got.pages] == [content(key) for key in keys]
    assert (await stream.ready()).epoch == epoch
    with pytest.raises(KvferryError) as ended:
        await pair.decode.route(request, "prefill-0")
    assert (ended.value.code, ended.value.details.end) == ("request_ended", "ready")
    await ends.close()
    await eventually(lambda: pair.prefill.free_slots == 8, "every slot is free again")


async def test_a_route_can_leave_out_the_first_chunks(pair: Pair) -> None:
    keys = fresh("a", "b", "c")
    request = new_request()
    stream = pair.prefill.begin(request, None, total_chunks=3, timeout=30)
    await stream.append(await filled(pair.prefill, keys[:1]))
    with pytest.raises(KvferryError) as nothing:
        await pair.decode.route(request, "prefill-0", skip=3)
    assert (nothing.value.code, nothing.value.field) == ("invalid_field", "skip")
    epoch = await pair.decode.route(request, "prefill-0", skip=2)
    await eventually(lambda: pair.prefill.free_slots == 8, "the slot of the skipped chunk is free again")
    with pytest.raises(KvferryError) as second:
        await pair.decode.route(request, "prefill-0", skip=1)
    assert second.value.code == "already_routed"
    await stream.append(await filled(pair.prefill, keys[1:]))
    end = await stream.ready()
    assert (end.epoch, end.event and end.event["chunks"]) == (epoch, 1)
    async with pair.decode.acquire(request, epoch) as got:
        assert [(page.key, bytes(page.view)) for page in got.pages] == [(keys[2], content(keys[2]))]
    await eventually(lambda: pair.prefill.free_slots == 8, "every slot is free again")


async def test_an_offer_that_nobody_routes_expires_and_its_slots_come_back(pair: Pair) -> None:
    request = new_request()
    stream = await pair.prefill.put(request, None, await filled(pair.prefill, fresh("a")), timeout=0.3)
    end = await stream.end()
    assert (end.end, end.event is not None and "receiver" in end.event) == ("expired", False)
    await eventually(lambda: pair.prefill.free_slots == 8, "every slot is free again")
    with pytest.raises(KvferryError) as ended:
        await pair.decode.route(request, "prefill-0")
    assert ended.value.code == "request_ended"


async def test_an_offer_that_is_cancelled_ends_cancelled(pair: Pair) -> None:
    stream = await pair.prefill.put(new_request(), None, await filled(pair.prefill, fresh("a")), timeout=30)
    await stream.cancel()
    assert (await stream.end()).end == "cancelled"
    await eventually(lambda: pair.prefill.free_slots == 8, "every slot is free again")


async def test_a_route_that_is_refused_leaves_the_request_offered(pair: Pair) -> None:
    keys = fresh("a")
    request = new_request()
    with pytest.raises(KvferryError) as early:
        await pair.decode.route(request, "prefill-0")
    assert early.value.code == "unknown_request"
    stream = await pair.prefill.put(request, None, await filled(pair.prefill, keys), timeout=30)
    with pytest.raises(KvferryError) as other:
        await pair.decode.route(request, "prefill-0", epoch="0" * 16)
    assert other.value.code == "unknown_request"
    with pytest.raises(KvferryError) as unknown:
        await DecodeEngine(pair.client, "decode-none").route(request, "prefill-0")
    assert unknown.value.code == "unknown_receiver"
    with pytest.raises(KvferryError) as sender:
        await DecodeEngine(pair.client, "prefill-0").route(request, "prefill-0")
    assert sender.value.code == "role_mismatch"
    await pair.decode.route(request, "prefill-0")
    end = await stream.ready()
    await pair.decode.release(end.request, end.epoch)


async def test_a_restarted_prefill_agent_has_forgotten_its_offers(world: World, pair: Pair) -> None:
    await world.start("prefill-o", "prefill")
    from kvferry import PrefillEngine, SourcePool

    with SourcePool.create(f"{pair.prefill.pool.segment}-o", slot_bytes=100, slots=2) as pool:
        engine = await PrefillEngine.open(pair.client, "prefill-o", pool)
        request = new_request()
        stream = await engine.put(request, None, await engine.fill(fresh("a")), timeout=30)
        await world.kill("prefill-o")
        await world.start("prefill-o", "prefill")
        with pytest.raises(KvferryError) as forgotten:
            await pair.decode.route(request, "prefill-o")
        assert forgotten.value.code == "unknown_request"
        end = await asyncio.wait_for(stream.end(), 60)
        assert (end.end, end.reason and end.reason["code"]) == ("failed", "sender_lost")
        await eventually(lambda: engine.free_slots == 2, "every slot is free again")
        await engine.close()
    await world.kill("prefill-o")
