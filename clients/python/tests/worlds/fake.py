from __future__ import annotations

from kvferry import Client
from kvferry.testing import FakeCluster

from .world import HEARTBEAT_SECONDS, PAGE_BYTES, PAGES, Role, World


class FakeWorld(World):
    def __init__(self) -> None:
        self.cluster = FakeCluster(page_bytes=PAGE_BYTES, pages=PAGES, heartbeat_seconds=HEARTBEAT_SECONDS)

    async def client(self, *, call_timeout: float = 10) -> Client:
        return self.cluster.client(call_timeout=call_timeout)

    async def start(self, name: str, role: Role, *, pages: int = PAGES, lease_seconds: float = 60) -> None:
        await self.cluster.start(name, role, pages=pages, lease_seconds=lease_seconds)

    async def kill(self, name: str) -> None:
        await self.cluster.kill(name)

    async def interrupt_nats(self) -> None:
        self.cluster.bus.interrupt()

    async def restore_nats(self) -> None:
        self.cluster.bus.restore()

    async def close(self) -> None:
        await self.cluster.close()
