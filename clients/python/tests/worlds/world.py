from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from kvferry import Client

PAGE_BYTES = 65_536
PAGES = 16
HEARTBEAT_SECONDS = 0.2

Role = Literal["prefill", "decode"]


class World(ABC):
    """Agents `prefill-0` and `decode-0` run already. A test that harms an agent starts its own."""

    @abstractmethod
    async def client(self, *, call_timeout: float = 10) -> Client:
        """The test closes it."""

    @abstractmethod
    async def start(self, name: str, role: Role, *, pages: int = PAGES, lease_seconds: float = 60) -> None:
        """Starts an agent, or starts it again."""

    @abstractmethod
    async def kill(self, name: str) -> None: ...

    @abstractmethod
    async def interrupt_nats(self) -> None: ...

    @abstractmethod
    async def restore_nats(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...
