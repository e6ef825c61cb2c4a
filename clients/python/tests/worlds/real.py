from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from signal import Signals

import kvferry
from kvferry import Client

from .process import Process
from .world import HEARTBEAT_SECONDS, PAGE_BYTES, PAGES, Role, World

CHECKOUT = Path(__file__).parents[4]
PROGRAM = CHECKOUT / "dist/src/cli/main.js"
ADDON = CHECKOUT / "build/Release/kvferry_native.node"
# Debian installs nats-server where an ordinary user does not look.
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def missing() -> str | None:
    """Why real agents cannot run here."""
    if shutil.which("nats-server", path=PATH) is None:
        return "nats-server is not installed"
    if shutil.which("node", path=PATH) is None:
        return "node is not installed"
    return next((f"{file} is not built" for file in (PROGRAM, ADDON) if not file.exists()), None)


class RealWorld(World):
    def __init__(self, nats: str = "") -> None:
        """`nats`: configuration of the NATS server."""
        self._configuration = nats
        self._directory = tempfile.mkdtemp(prefix="kvferry-python-", dir="/dev/shm")
        self._nats: Process | None = None
        self._port = -1
        self.agents: dict[str, Process] = {}
        self._started: list[Process] = []

    @classmethod
    async def open(cls, nats: str = "") -> RealWorld:
        world = cls(nats)
        await world.restore_nats()
        return world

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    async def client(self, *, call_timeout: float = 10) -> Client:
        return await kvferry.connect(self.url, name="test", call_timeout=call_timeout)

    async def start(
        self,
        name: str,
        role: Role,
        *,
        pages: int = PAGES,
        lease_seconds: float = 60,
        page_bytes: int = PAGE_BYTES,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`settings` are flags of the agent, which replace those of the tests."""
        flags = {
            "--agent-id": name,
            "--role": role,
            "--nats-url": self.url,
            "--page-bytes": str(page_bytes),
            "--arena-pages": str(pages),
            "--lease-ms": str(int(lease_seconds * 1000)),
            "--heartbeat-ms": str(int(HEARTBEAT_SECONDS * 1000)),
            "--provider": "same-host",
            # A killed agent leaves its arena behind.
            "--arena-directory": self._directory,
            "--socket-directory": self._directory,
            "--shutdown-timeout-ms": "100",
            "--allow-faults": "true",
            **(settings or {}),
        }
        options = [word for flag in flags.items() for word in flag]
        agent = await Process.start("node", str(PROGRAM), "agent", *options, env={**os.environ, "PATH": PATH})
        self.agents[name] = agent
        self._started.append(agent)
        await agent.printed("agent running")

    async def kill(self, name: str) -> None:
        await self.agents.pop(name).kill()

    def signal(self, name: str, number: Signals) -> None:
        self.agents[name].signal(number)

    def signal_nats(self, number: Signals) -> None:
        if self._nats is not None:
            self._nats.signal(number)

    async def interrupt_nats(self) -> None:
        if self._nats is not None:
            await self._nats.kill()
        self._nats = None

    async def restore_nats(self) -> None:
        configuration = Path(self._directory) / "nats.conf"
        configuration.write_text(self._configuration)
        place = ["--addr", "127.0.0.1", "--port", str(self._port)]
        command = ["nats-server", *place, "--config", str(configuration)]
        self._nats = await Process.start(*command, env={"PATH": PATH})
        listening = await self._nats.printed("Listening for client connections on")
        await self._nats.printed("Server is ready")
        found = re.search(r":(\d+)$", listening.strip())
        assert found is not None
        self._port = int(found[1])

    async def close(self) -> None:
        for agent in self._started:
            await agent.kill()
        await self.interrupt_nats()
        shutil.rmtree(self._directory)
