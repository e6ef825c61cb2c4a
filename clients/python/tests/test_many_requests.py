"""A thousand requests: each page has the bytes of its key, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import random
from pathlib import Path

from kvferry import Client, DecodeEngine, KvferryError, PrefillEngine, SourcePool

from .conftest import content, eventually, new_request
from .worlds.world import PAGE_BYTES, World

REQUESTS = 1000
AT_ONCE = 4
MIB = 2**20


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def resident() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


async def one(engine: PrefillEngine, decode: DecodeEngine, chance: random.Random) -> int:
    """Puts a prompt with a common prefix, or cancels it, and checks each page that it reads. Returns pages read."""
    prefix = [f"prefix-{chance.randrange(3)}@{number}" for number in range(chance.randrange(3))]
    keys = [*prefix, f"own-{chance.getrandbits(64):x}"]
    chunks = await engine.fill(keys, timeout=60)
    for chunk in chunks:
        chunk.view[:] = content(chunk.key)
    stream = engine.begin(new_request(), decode.agent, total_chunks=len(keys), timeout=60)
    try:
        await stream.append(chunks[:1])
        if len(keys) > 1:
            await stream.append(chunks[1:])
    finally:
        # Those that were put are not this prompt's any more.
        engine.discard(chunks)
    if chance.random() < 0.1:
        await stream.cancel()
    end = await stream.end()
    if end.end == "cancelled":
        return 0
    end.check_ready()
    order = chance.sample(keys, len(keys))
    async with decode.acquire(end.request, end.epoch, order) as got:
        if got.missing:
            # Another process has the name of the agent, and an empty arena.
            raise KvferryError("unknown_request", f"agent {decode.agent} lost {len(got.missing)} chunks")
        read = [hashlib.sha256(page.view).digest() for page in got.pages]
        got.check()
    assert read == [hashlib.sha256(content(key)).digest() for key in order]
    return len(read)


async def test_a_thousand_requests_leave_nothing_behind(world: World, client: Client, segment: str) -> None:
    # Requests of other tests may keep pages of decode-0 until their leases are over.
    await world.start("decode-many", "decode")
    with SourcePool.create(segment, slot_bytes=PAGE_BYTES, slots=12) as pool:
        async with await PrefillEngine.open(client, "prefill-0", pool) as engine:
            decode = DecodeEngine(client, "decode-many")

            async def some(seed: int, count: int) -> int:
                chance = random.Random(seed)
                return sum([await one(engine, decode, chance) for _ in range(count)])

            assert await some(0, 50) > 0
            gc.collect()
            before, memory, tasks = descriptors(), resident(), len(asyncio.all_tasks())
            pages = await asyncio.gather(*(some(seed, REQUESTS // AT_ONCE) for seed in range(1, AT_ONCE + 1)))
            assert sum(pages) > REQUESTS
            await eventually(lambda: engine.free_slots == 12, "every slot is free again")
            assert len(engine._lendings._batches) == 0
            assert len(engine._target.ends._expected) == 0
            gc.collect()
            assert descriptors() <= before
            assert len(asyncio.all_tasks()) <= tasks + 1
            # The fake agents, which run in this process, remember how requests ended.
            assert resident() - memory < 20 * MIB
    status = await client.status("decode-many")
    assert status["pages"]["free"] == status["pages"]["total"]
    await world.kill("decode-many")


async def test_the_arena_is_read_while_its_agent_is_killed_again_and_again(
    world: World, client: Client, segment: str
) -> None:
    """The bytes are right, or there is an error. Never a hang, never other bytes."""
    chance = random.Random(7)
    with SourcePool.create(segment, slot_bytes=PAGE_BYTES, slots=8) as pool:
        await world.start("prefill-k", "prefill")
        await world.start("decode-k", "decode")
        engine = await PrefillEngine.open(client, "prefill-k", pool, patience=60)
        decode = DecodeEngine(client, "decode-k", patience=2)
        outcomes: list[str] = []

        async def prompts() -> None:
            for _ in range(40):
                try:
                    await asyncio.wait_for(one(engine, decode, chance), 90)
                    outcomes.append("ready")
                except KvferryError as error:
                    outcomes.append(error.code)

        async def kills() -> None:
            for name in ("prefill-k", "decode-k", "prefill-k", "decode-k"):
                reached = len(outcomes) + 5
                await eventually(lambda reached=reached: len(outcomes) >= reached, "five more requests have ended")  # type: ignore[misc]
                await world.kill(name)
                await world.start(name, "prefill" if name.startswith("prefill") else "decode")

        await asyncio.gather(prompts(), kills())
        assert outcomes.count("ready") > 10
        await eventually(lambda: engine.free_slots == 8, "every slot is free again")
        await engine.close()
        await world.kill("prefill-k")
        await world.kill("decode-k")
