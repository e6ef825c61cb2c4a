"""The harness's side of the zygote, and of the processes that it forks."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

PACKET_BYTES = 1 << 16
LINE_BYTES = 1 << 24
IMPORT_SECONDS = 600
# No process for the engine alone, no model hub, no reports of usage, one thread for each rank.
ENVIRONMENT = {
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class Died(Exception):
    """A process ended, and should not have. The text has the end of its log."""


def last_lines(log: Path, count: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


class Forked:
    """A process of the zygote. `lines` yields what it reports."""

    def __init__(self, name: str, pid: int, log: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.name = name
        self.pid = pid
        self.log = log
        self._reader = reader
        self._writer = writer

    async def report(self) -> dict[str, Any]:
        line = await self._reader.readline()
        if not line:
            raise Died(f"{self.name} ended; its log ends with\n{last_lines(self.log)}")
        report: dict[str, Any] = json.loads(line)
        return report

    def order(self, **order: object) -> None:
        self._writer.write(json.dumps(order).encode() + b"\n")

    async def ended(self) -> None:
        """Returns when the process and those that it started are gone: they all hold the channel."""
        with suppress(ConnectionError):
            while await self._reader.read(PACKET_BYTES):
                pass

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await self.ended()
        self._writer.close()


class Zygote:
    def __init__(self, child: asyncio.subprocess.Process, orders: socket.socket, folder: Path) -> None:
        self._child = child
        self._orders = orders
        self._folder = folder
        self._turn = asyncio.Lock()
        self.version = ""

    @classmethod
    async def start(cls, folder: Path) -> Zygote:
        """Imports vLLM. `folder` gets the logs."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        log = folder / "zygote.log"
        with log.open("wb") as file, theirs:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "stage.zygote",
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdout=file,
                stderr=file,
                env=os.environ | ENVIRONMENT,
            )
        ours.setblocking(False)
        zygote = cls(child, ours, folder)
        answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(ours, PACKET_BYTES), IMPORT_SECONDS)
        if not answer:
            raise Died(f"vLLM cannot be imported:\n{last_lines(log)}")
        zygote.version = json.loads(answer)["vllm"]
        return zygote

    async def fork(self, name: str, module: str, spec: object) -> Forked:
        """Runs `module.run(channel, spec)` in a process of its own."""
        ours, theirs = socket.socketpair()
        log = self._folder / f"{name}.log"
        loop = asyncio.get_running_loop()
        async with self._turn:
            with theirs, log.open("wb") as file:
                order = json.dumps({"run": module, "spec": spec}).encode()
                socket.send_fds(self._orders, [order], [theirs.fileno(), file.fileno()])
            answer = json.loads(await loop.sock_recv(self._orders, PACKET_BYTES))
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=LINE_BYTES)
        return Forked(name, answer["pid"], log, reader, writer)

    async def close(self) -> None:
        """Ends every process that it forked."""
        self._orders.close()
        await self._child.wait()
