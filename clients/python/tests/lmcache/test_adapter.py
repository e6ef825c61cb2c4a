"""The class that LMCache loads, called as LMCache's controllers call it, with real agents."""

from __future__ import annotations

import asyncio
import os
import secrets
import select
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ..conftest import eventually
from ..worlds.real import RealWorld
from .servers import content, new_keys

pytest.importorskip("lmcache.v1.distributed.l2_adapters.base", reason="LMCache is not installed")

from kvferry.lmcache import L2Adapter

SHAPES: list[tuple[int, ...]] = [(10, 25)]
DTYPES = ["float32"]


class Memory:
    """What is read of LMCache's `MemoryObj`."""

    def __init__(self, content: bytes) -> None:
        self.byte_array = memoryview(bytearray(content))

    def get_size(self) -> int:
        return len(self.byte_array)

    def get_shapes(self) -> list[tuple[int, ...]]:
        return SHAPES

    def get_dtypes(self) -> list[str]:
        return DTYPES


class Layout:
    shapes = SHAPES
    dtypes = DTYPES


@asynccontextmanager
async def adapter(real: RealWorld, agent: str, **params: Any) -> AsyncIterator[Any]:
    """Made and closed in threads, as LMCache does, so that the event loop of the test goes on."""
    params = {
        "agent": agent,
        "nats_url": real.url,
        "memory_bytes": 8000,
        "segment": f"l-{secrets.token_hex(4)}",
        **params,
    }
    made = await asyncio.to_thread(L2Adapter, params)
    try:
        yield made
    finally:
        await asyncio.to_thread(made.close)


async def result(file: int, take: Callable[[], Any]) -> Any:
    """What LMCache's controller does: it waits for the descriptor, and takes the result."""

    def wait() -> Any:
        poll = select.poll()
        poll.register(file, select.POLLIN)
        for _ in range(100):
            if poll.poll(300):
                os.eventfd_read(file)
            taken = take()
            if taken:
                return taken
        raise AssertionError("no result came")

    return await asyncio.to_thread(wait)


async def stored(one: Any, keys: list[Any]) -> dict[int, Any]:
    task = one.submit_store_task(keys, [Memory(content(key)) for key in keys])
    taken = await result(one.get_store_event_fd(), one.pop_completed_store_tasks)
    assert list(taken) == [task]
    return dict(taken)


async def looked_up(one: Any, keys: list[Any]) -> list[int]:
    task = one.submit_lookup_and_lock_task(keys, {0: Layout()})
    bitmap = await result(one.get_lookup_and_lock_event_fd(), lambda: one.query_lookup_and_lock_result(task))
    return list(bitmap.get_indices_list())


async def test_a_task_of_each_kind_ends_once_with_its_result(real: RealWorld) -> None:
    await real.start("prefill-a", "prefill")
    await real.start("decode-a", "decode")
    async with (
        adapter(real, "prefill-a") as prefill,
        adapter(real, "decode-a", senders=["prefill-a"], unknown_timeout=0.1) as decode,
    ):
        keys = new_keys(3)
        [accepted] = (await stored(prefill, keys[:2])).values()
        assert (accepted.is_successful(), accepted.bytes_transferred()) == (True, 2000)
        assert await looked_up(decode, keys) == [0, 1]
        memory = [Memory(bytes(1000)) for _ in range(2)]
        task = decode.submit_load_task(keys[:2], memory)
        loaded = await result(decode.get_load_event_fd(), lambda: decode.query_load_result(task))
        assert loaded.get_indices_list() == [0, 1]
        assert decode.query_load_result(task) is None
        assert [bytes(one.byte_array) for one in memory] == [content(key) for key in keys[:2]]
        decode.submit_unlock(keys[:2])
        await eventually(lambda: decode.report_status()["locked"] == 0, "the chunks are unlocked")
        assert decode.report_status() == {"is_healthy": True, "type": "kvferry", "agent": "decode-a", "locked": 0}
    await real.kill("prefill-a")
    await real.kill("decode-a")


async def test_tasks_fail_in_time_while_the_agent_is_away(real: RealWorld) -> None:
    await real.start("prefill-b", "prefill")
    await real.start("decode-b", "decode")
    async with adapter(real, "prefill-b") as prefill, adapter(real, "decode-b") as decode:
        await real.kill("prefill-b")
        await real.kill("decode-b")
        [refused] = (await stored(prefill, new_keys(1))).values()
        assert (refused.is_successful(), refused.bytes_transferred()) == (False, 0)
        keys = new_keys(2)
        task = decode.submit_lookup_and_lock_task(keys, {0: Layout()})
        taken: list[Any] = []

        def has_result() -> bool:
            found = decode.query_lookup_and_lock_result(task)
            if found is not None:
                taken.append(found.get_indices_list())
            return bool(taken)

        await eventually(has_result, "the lookup ends")
        assert taken == [[]]
