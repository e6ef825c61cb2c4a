"""The code of README.md runs as it stands."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import kvferry
from kvferry import DecodeEngine, PrefillEngine, RequestEnds, SourcePool
from kvferry.testing import FakeCluster

from .conftest import content, eventually, filled, fresh
from .worlds.process import Process
from .worlds.real import RealWorld
from .worlds.world import PAGE_BYTES as WORLD_PAGE_BYTES

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
PAGE_BYTES = 3 * 2**20


BLOCKS = re.findall(r"^```python.*?\n(.*?)^```$", README, re.M | re.S)


def block(text: str) -> str:
    """The block that contains this text."""
    return str(next(found for found in BLOCKS if text in found))


async def run(program: str, url: str) -> Process:
    path = os.pathsep.join([str(Path(__file__).parents[1] / "src"), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "KVFERRY_NATS_URL": url, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    return await Process.start(sys.executable, "-W", "error", "-c", program, env=env)


async def test_its_programs_move_prompts_between_two_processes(real: RealWorld) -> None:
    await asyncio.gather(
        real.start("prefill-0", "prefill", page_bytes=PAGE_BYTES),
        real.start("decode-0", "decode", page_bytes=PAGE_BYTES),
    )
    decode = await run(block("DecodeEngine"), real.url)
    await decode.printed("waiting for prompt-7")
    prefill = await run(block("PrefillEngine"), real.url)
    assert (await prefill.ended(), prefill.lines) == (0, ["prompt-7 is ready"])
    assert (await decode.ended(), decode.lines) == (
        0,
        [
            "waiting for prompt-7",
            f"llama@c1 {PAGE_BYTES} bytes, the first one is 2",
            f"llama@c0 {PAGE_BYTES} bytes, the first one is 1",
        ],
    )
    synchronous = await run(block("sync.connect"), real.url)
    assert (await synchronous.ended(), synchronous.lines) == (0, ["prompt-8 is ready"])
    await real.kill("prefill-0")
    await real.kill("decode-0")


async def test_the_example_of_a_test_passes() -> None:
    names: dict[str, Any] = {}
    exec(compile(block("FakeCluster"), "README.md", "exec"), names)
    await names["test_my_connector"]()


def functions(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"kvferry": kvferry}
    exec(compile(block(text), "README.md", "exec"), names)
    return names


async def test_its_stream_puts_a_prompt_in_steps(pool: SourcePool) -> None:
    put_in_steps = functions("put_in_steps")["put_in_steps"]
    keys = fresh("a", "b", "c")
    async with FakeCluster(page_bytes=WORLD_PAGE_BYTES) as cluster, cluster.client() as client:
        await cluster.start("prefill-0", "prefill")
        await cluster.start("decode-0", "decode")
        async with await PrefillEngine.open(client, "prefill-0", pool) as engine:
            steps = [{keys[0]: content(keys[0])}, {key: content(key) for key in keys[1:]}]
            end = await put_in_steps(engine, "prompt-9", steps)
            async with DecodeEngine(client, "decode-0").acquire(end.request, end.epoch, keys) as got:
                assert [got.read(key) for key in keys] == [content(key) for key in keys]
            # The second step fails in the engine: the request is cancelled, and every slot comes back.
            cancelled = (await RequestEnds.open(client)).expect("prompt-10")
            with pytest.raises(ValueError, match="different structures"):
                await put_in_steps(engine, "prompt-10", [steps[0], {keys[1]: b"too short"}])
            assert (await cancelled.wait(10)).end == "cancelled"
            await eventually(lambda: engine.free_slots == pool.slots, "every slot is free again")


async def test_its_ranks_are_ready_together(real: RealWorld, segment: str) -> None:
    shown = functions("put_rank")
    members = shown["MEMBERS"]
    await asyncio.gather(
        *(real.start(member["sender"], "prefill") for member in members),
        *(real.start(member["receiver"], "decode") for member in members),
    )
    client = await real.client()
    keys = [fresh("a"), fresh("a")]
    pools = [SourcePool.create(f"{segment}-{rank}", slot_bytes=WORLD_PAGE_BYTES, slots=2) for rank in range(2)]
    engines = [
        await PrefillEngine.open(client, member["sender"], pool) for member, pool in zip(members, pools, strict=True)
    ]
    streams = [
        await shown["put_rank"](engine, "prompt-11", rank, await filled(engine, keys[rank]))
        for rank, engine in enumerate(engines)
    ]
    end = await streams[0].ready()
    for rank, member in enumerate(members):
        decode = DecodeEngine(client, member["receiver"])
        assert await shown["read_rank"](decode, end, rank, keys[rank]) == [content(key) for key in keys[rank]]
    for engine, pool in zip(engines, pools, strict=True):
        await engine.close()
        pool.close()
    await client.close()
    await asyncio.gather(*(real.kill(name) for member in members for name in member.values()))


def test_the_two_programs_have_few_lines() -> None:
    programs = block("DecodeEngine") + block("PrefillEngine")
    assert len([line for line in programs.splitlines() if line.strip()]) <= 28
