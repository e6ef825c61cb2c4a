"""vLLM servers with the connector, and their agents, which are fake."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from kvferry import Client
from kvferry.loop_thread import LoopThread
from kvferry.testing import FakeCluster

from .engines import WAIT_SECONDS, FakeCache, FakeEngine

T = TypeVar("T")


class Servers:
    """Agents, and engines that are made when a test asks for them."""

    def __init__(self) -> None:
        self.loop = LoopThread("test")
        self.engines: list[FakeEngine] = []
        self.chunk_bytes = FakeCache().chunk_bytes

        async def make() -> FakeCluster:
            cluster = FakeCluster(page_bytes=self.chunk_bytes, pages=16, heartbeat_seconds=0.05)
            await cluster.start("prefill-0", "prefill")
            await cluster.start("decode-0", "decode")
            return cluster

        self.cluster = self.loop.run(make())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work, WAIT_SECONDS)

    def engine(self, agent: str, role: str, **extra: Any) -> FakeEngine:
        async def connect() -> Client:
            return self.cluster.client(call_timeout=1)

        made = FakeEngine(agent, role, self.loop, connect, {"slots": 16, "load_timeout": 10, **extra})
        self.engines.append(made)
        return made

    @property
    def prefill(self) -> FakeEngine:
        return self.engine("prefill-0", "producer")

    @property
    def decode(self) -> FakeEngine:
        return self.engine("decode-0", "consumer")

    def has_prompt(self) -> bool:
        """The prefill agent has a prompt. Before that, what names it is repeated for a short time only."""
        return len(self.cluster.agents["prefill-0"].sending.unended()) > 0

    def free_pages(self) -> int:
        arena = self.cluster.agents["decode-0"].arena
        assert arena is not None
        return arena.free

    def close(self) -> None:
        for engine in self.engines:
            engine.worker.close()
        self.run(self.cluster.close())
        self.loop.stop()
