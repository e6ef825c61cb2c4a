"""Prompts on their way from a prefill engine to a decode engine."""

from __future__ import annotations

import pytest

from kvferry import Client, KvferryError, PrefillEngine, SourceChunk, SourcePool, ask_end

from .conftest import Pair, content, eventually, filled, fresh, new_request
from .worlds.world import PAGE_BYTES, PAGES


async def test_a_put_prompt_is_read_in_the_order_of_the_callers_keys(pair: Pair) -> None:
    keys = fresh("a", "b", "c")
    stream = await pair.prefill.put(new_request(), pair.receiver, await filled(pair.prefill, keys), timeout=30)
    end = await stream.ready()
    assert (end.epoch, end.end, end.reason) == (stream.epoch, "ready", None)
    assert end.event is not None
    assert (end.event["chunks"], end.event["bytes"], end.event["deduplicated"]) == (3, 3 * PAGE_BYTES, 0)
    order = [keys[2], keys[0], keys[1]]
    async with pair.decode.acquire(end.request, end.epoch, order) as got:
        assert [page.key for page in got.pages] == order
        assert [bytes(page.view) for page in got.pages] == [content(key) for key in order]
        assert got.missing == []
        assert got.read(keys[1]) == content(keys[1])
        assert got.pages[0].view.readonly
    assert not got.is_leased


async def test_batches_of_chunked_prefill_and_an_empty_last_one_are_ready(pair: Pair) -> None:
    keys = fresh("a", "b", "c")
    stream = pair.prefill.begin(new_request(), pair.receiver, total_chunks=3, timeout=30)
    assert stream.epoch is None
    await stream.append(await filled(pair.prefill, keys[:2]))
    await stream.append(await filled(pair.prefill, keys[2:]), last=False)
    with pytest.raises(KvferryError, match="is no longer") as raised:
        await stream.append([SourceChunk("x", pair.prefill.pool.segment, 0, PAGE_BYTES)])
    assert raised.value.code == "invalid_field"


async def test_finish_puts_the_last_batch_when_it_was_not_marked(pair: Pair) -> None:
    keys = fresh("a", "b")
    stream = pair.prefill.begin(new_request(), pair.receiver, total_chunks=2, timeout=30)
    await stream.append(await filled(pair.prefill, keys[:1]))
    with pytest.raises(KvferryError, match="has 1 of 2 chunks"):
        await stream.finish()
    await stream.append(await filled(pair.prefill, keys[1:]), last=False)
    await stream.finish()
    await stream.finish()
    end = await stream.ready()
    async with pair.decode.acquire(end.request, end.epoch) as got:
        assert sorted(page.key for page in got.pages) == sorted(keys)


async def test_a_prompt_without_chunks_is_ready(pair: Pair) -> None:
    stream = pair.prefill.begin(new_request(), pair.receiver, total_chunks=0, timeout=30)
    await stream.finish()
    assert (await stream.ready()).end == "ready"


async def test_keys_that_are_there_do_not_travel_again(pair: Pair) -> None:
    keys = fresh("a", "b")
    first = await pair.prefill.put(new_request(), pair.receiver, await filled(pair.prefill, keys), timeout=30)
    one = await first.ready()
    async with pair.decode.acquire(one.request, one.epoch):
        more = [*keys, *fresh("c")]
        second = await pair.prefill.put(new_request(), pair.receiver, await filled(pair.prefill, more), timeout=30)
        two = await second.ready()
        assert two.event is not None
        assert (two.event["deduplicated"], two.event["bytes"]) == (2, PAGE_BYTES)
    async with pair.decode.acquire(two.request, two.epoch, more) as got:
        assert [bytes(page.view) for page in got.pages] == [content(key) for key in more]


async def test_chunks_of_several_lengths_keep_their_lengths(pair: Pair) -> None:
    keys = fresh("a", "b", "c")
    chunks = await pair.prefill.fill(keys, length=[10, 20, 10])
    for chunk in chunks:
        chunk.view[:] = content(chunk.key)[: chunk.length]
    end = await (await pair.prefill.put(new_request(), pair.receiver, chunks, timeout=30)).ready()
    async with pair.decode.acquire(end.request, end.epoch, keys) as got:
        assert [bytes(page.view) for page in got.pages] == [
            content(key)[:length] for key, length in zip(keys, [10, 20, 10], strict=True)
        ]


async def test_slots_come_back_when_the_agent_releases_them(pair: Pair) -> None:
    assert pair.prefill.free_slots == 8
    for _ in range(3):
        chunks = await filled(pair.prefill, fresh(*"abcdef"))
        assert pair.prefill.free_slots <= 2
        end = await (await pair.prefill.put(new_request(), pair.receiver, chunks, timeout=30)).ready()
        await pair.decode.release(end.request, end.epoch)
    await eventually(lambda: pair.prefill.free_slots == 8, "every slot is free again")


async def test_a_chunk_that_was_put_or_discarded_cannot_be_written_or_put_again(pair: Pair) -> None:
    chunks = await filled(pair.prefill, fresh("a"))
    pair.prefill.discard(chunks)
    assert pair.prefill.free_slots == 8
    with pytest.raises(KvferryError, match="was put or discarded"):
        chunks[0].view[:1] = b"x"
    with pytest.raises(KvferryError, match="no longer in the memory"):
        await pair.prefill.put(new_request(), pair.receiver, chunks, timeout=30)
    assert pair.prefill.free_slots == 8


async def test_no_free_slot_gives_an_error_at_the_deadline(pair: Pair) -> None:
    chunks = await pair.prefill.fill(fresh(*"abcdefg"))
    with pytest.raises(KvferryError) as late:
        await pair.prefill.fill(fresh("x", "y"), timeout=0.05)
    assert (late.value.code, late.value.retryable) == ("deadline_exceeded", True)
    with pytest.raises(KvferryError, match="9 chunks are more than the 8 slots"):
        await pair.prefill.fill(fresh(*"abcdefghi"))
    with pytest.raises(KvferryError, match="do not fit"):
        await pair.prefill.fill(fresh("x"), length=PAGE_BYTES + 1)
    pair.prefill.discard(chunks)


async def test_a_refused_put_gives_its_slots_back(pair: Pair) -> None:
    key = fresh("a")[0]
    with pytest.raises(KvferryError) as twice:
        await pair.prefill.put(new_request(), pair.receiver, await filled(pair.prefill, [key, key]), timeout=30)
    assert twice.value.code == "invalid_field"
    assert twice.value.answered
    assert pair.prefill.free_slots == 8
    stream = await pair.prefill.put(new_request(), pair.receiver, await filled(pair.prefill, [key]), timeout=30)
    assert (await stream.ready()).end == "ready"


async def test_an_unknown_receiver_is_an_error_after_the_patience(client: Client, pool: SourcePool) -> None:
    async with await PrefillEngine.open(client, "prefill-0", pool, patience=3) as engine:
        with pytest.raises(KvferryError) as unknown:
            await engine.put(new_request(), "decode-none", await filled(engine, fresh("a")), timeout=30)
        assert (unknown.value.code, unknown.value.retryable) == ("unknown_receiver", True)
        assert engine.free_slots == 8


async def test_a_request_with_more_chunks_than_pages_fails(pair: Pair) -> None:
    stream = pair.prefill.begin(new_request(), pair.receiver, total_chunks=PAGES + 1, timeout=30)
    await stream.append(await filled(pair.prefill, fresh("a")))
    end = await stream.end()
    assert (end.end, end.reason and end.reason["code"]) == ("failed", "request_too_large")
    with pytest.raises(KvferryError) as failed:
        await stream.ready()
    assert failed.value.code == "request_too_large"
    await eventually(lambda: pair.prefill.free_slots == 8, "the slot of the failed request is free")


async def test_a_key_with_another_length_fails(pair: Pair) -> None:
    key = fresh("a")[0]
    one = await (
        await pair.prefill.put(new_request(), pair.receiver, await filled(pair.prefill, [key]), timeout=30)
    ).ready()
    short = await pair.prefill.fill([key], length=100)
    two = await (await pair.prefill.put(new_request(), pair.receiver, short, timeout=30)).end()
    assert (two.end, two.reason and two.reason["code"]) == ("failed", "length_mismatch")
    await pair.decode.release(one.request, one.epoch)


async def test_a_cancelled_request_takes_no_further_batch_and_ends_cancelled(pair: Pair) -> None:
    stream = pair.prefill.begin(new_request(), pair.receiver, total_chunks=2, timeout=30)
    await stream.append(await filled(pair.prefill, fresh("a")))
    assert await stream.cancel() is None
    assert (await stream.end()).end == "cancelled"
    chunks = await filled(pair.prefill, fresh("b"))
    with pytest.raises(KvferryError) as refused:
        await stream.append(chunks)
    assert refused.value.code == "cancelled_by_caller"
    await eventually(lambda: pair.prefill.free_slots == 8, "every slot is free again")


async def test_cancel_after_the_end_returns_that_end(pair: Pair) -> None:
    stream = await pair.prefill.put(new_request(), pair.receiver, await filled(pair.prefill, fresh("a")), timeout=30)
    end = await stream.ready()

    # The decode agent's notice of the end may still be under way to the prefill agent.
    assert (await stream.cancel()) in ("ready", None)
    asked = await ask_end(pair.client, end.request, end.epoch, sender="prefill-0", receiver="decode-0")
    assert asked is not None
    assert (asked.end, asked.event) == ("ready", None)
    await pair.decode.release(end.request, end.epoch)


async def test_the_end_of_an_unknown_request_is_not_guessed(pair: Pair) -> None:
    epoch = (await pair.client.describe("prefill-0"))["epoch"]
    asked = await ask_end(pair.client, new_request(), epoch, sender="prefill-0", receiver="decode-0")
    assert asked is None
    gone = await ask_end(pair.client, new_request(), "0" * 16, sender="prefill-0", receiver="decode-0")
    assert gone is not None
    assert (gone.end, gone.reason and gone.reason["code"]) == ("failed", "sender_lost")


async def test_a_closed_engine_refuses_and_its_segment_is_detached(pair: Pair, segment: str) -> None:
    status = await pair.client.status("prefill-0", segment=segment)
    assert [row["segment"] for row in status["segments"]] == [segment]
    await pair.prefill.close()
    await pair.prefill.close()
    with pytest.raises(KvferryError) as closed:
        await pair.prefill.fill(fresh("a"))
    assert closed.value.code == "closed"
    status = await pair.client.status("prefill-0", segment=segment)
    assert status["segments"] == []


async def test_an_engine_takes_the_place_of_a_dead_one_with_its_name(pair: Pair, segment: str) -> None:
    # The first engine is not closed: as if its process had died.
    pair.prefill.pool.close()
    with SourcePool.create(segment, slot_bytes=PAGE_BYTES, slots=4) as pool:
        async with await PrefillEngine.open(pair.client, "prefill-0", pool) as engine:
            stream = await engine.put(new_request(), pair.receiver, await filled(engine, fresh("a")), timeout=30)
            end = await stream.ready()
            await pair.decode.release(end.request, end.epoch)
