"""The code of README.md runs as it stands."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

from .worlds.process import Process
from .worlds.real import RealWorld

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


def test_the_two_programs_have_few_lines() -> None:
    programs = block("DecodeEngine") + block("PrefillEngine")
    assert len([line for line in programs.splitlines() if line.strip()]) <= 28
