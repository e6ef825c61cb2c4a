"""The Python of docs/guide/protocol.md runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kvferry
from kvferry import DecodeEngine, PrefillEngine, RequestEnds, SourcePool
from kvferry.testing import FakeCluster

from .conftest import content, filled, fresh
from .worlds.world import PAGE_BYTES

GUIDE = (Path(__file__).parents[3] / "docs/guide/protocol.md").read_text("utf-8")


async def test_its_functions_put_read_and_fetch_a_prompt(pool: SourcePool) -> None:
    shown = [block for block in re.findall(r"^```python\n(.*?)^```$", GUIDE, re.M | re.S) if block.startswith("async")]
    names: dict[str, Any] = {"kvferry": kvferry}
    exec(compile("\n".join(shown), "docs/guide/protocol.md", "exec"), names)
    keys = fresh("a", "b")
    async with FakeCluster(page_bytes=PAGE_BYTES) as cluster, cluster.client() as client:
        await cluster.start("prefill-0", "prefill")
        await cluster.start("decode-0", "decode")
        async with await PrefillEngine.open(client, "prefill-0", pool) as engine:
            decode = DecodeEngine(client, "decode-0")
            stream = await names["put"](engine, {key: content(key) for key in keys})
            assert await names["read"](decode, await stream.ready(), keys) == [content(key) for key in keys]
            ends = await RequestEnds.open(client)
            await engine.put("prompt-2", None, await filled(engine, keys), timeout=30)
            end = await names["fetch"](ends, decode, "prompt-2")
            assert (end.request, end.end) == ("prompt-2", "ready")
