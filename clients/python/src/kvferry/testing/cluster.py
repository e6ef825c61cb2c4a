"""Fake agents, and what a test can do to them."""

from __future__ import annotations

import asyncio
import secrets
from types import TracebackType
from typing import TYPE_CHECKING

from ..client import CALL_SECONDS, Client
from ..transport import Transport
from .agent import FakeAgent, Role
from .arena import FakeArena
from .bus import MemoryBus

if TYPE_CHECKING:
    from typing_extensions import Self


class FakeCluster:
    """Agents in this process and this event loop. `transport`: that of a NATS server; default: NATS in memory, on
    which `client` makes clients.

    The agents check messages, sessions, leases and room as real ones do, copy the bytes, and publish the same
    events. They have no ranks, staging pages, journal, retained pages or memory of devices."""

    def __init__(
        self,
        *,
        page_bytes: int = 65_536,
        pages: int = 16,
        lease_seconds: float = 60,
        heartbeat_seconds: float = 0.1,
        transport: Transport | None = None,
    ) -> None:
        self.page_bytes = page_bytes
        self.pages = pages
        self.lease_seconds = lease_seconds
        self.heartbeat_seconds = heartbeat_seconds
        self.bus = MemoryBus()
        self.agents: dict[str, FakeAgent] = {}
        """Those that run, by name."""
        self.may_move = asyncio.Event()
        """While it is cleared, no bytes move: requests stay in progress."""
        self.may_move.set()
        self._transport = transport if transport is not None else self.bus.transport()

    def client(self, *, call_timeout: float = CALL_SECONDS) -> Client:
        """A client on the NATS in memory."""
        return Client(self.bus.transport(), call_timeout=call_timeout)

    async def start(
        self, name: str, role: Role, *, pages: int | None = None, lease_seconds: float | None = None
    ) -> FakeAgent:
        """Starts an agent, or starts one again after `kill`, with another epoch."""
        arena = None
        if role != "prefill":
            count = self.pages if pages is None else pages
            lease = self.lease_seconds if lease_seconds is None else lease_seconds
            arena = FakeArena(secrets.token_hex(8), self.page_bytes, count, lease)
        agent = FakeAgent(self, self._transport, name, role, arena)
        self.agents[name] = agent
        await agent.start()
        return agent

    async def kill(self, name: str) -> None:
        """The process is gone. The other agents notice it at once."""
        agent = self.agents.pop(name)
        await agent.stop()
        for other in list(self.agents.values()):
            other.receiving.lost_sender(agent)
            other.sending.lost_receiver(name)

    def lose_answer(self, name: str, operation: str) -> None:
        """The agent executes the next such operation, and its answer is lost."""
        self.agents[name].lose_answers.add(operation)

    async def close(self) -> None:
        for name in list(self.agents):
            await self.agents.pop(name).stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
