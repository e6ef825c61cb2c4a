"""A process of a test: its output is read line by line, and it ends with the test."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress

START_SECONDS = 60


class Process:
    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child
        self.lines: list[str] = []
        self._more = asyncio.Event()
        self._reading = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def start(cls, *command: str, env: Mapping[str, str] | None = None) -> Process:
        pipe, to_pipe = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
        # A test run that is killed takes its processes with it.
        tied = ["setpriv", "--pdeathsig", "KILL", *command] if shutil.which("setpriv") else command
        return cls(await asyncio.create_subprocess_exec(*tied, stdout=pipe, stderr=to_pipe, env=env))

    @property
    def pid(self) -> int:
        return self._child.pid

    async def printed(self, text: str) -> str:
        """The first line that contains the text."""

        async def find() -> str:
            while True:
                self._more.clear()
                found = next((line for line in self.lines if text in line), None)
                if found is not None:
                    return found
                if self._reading.done():
                    raise AssertionError(f"the process ended without {text!r}: {self.lines[-20:]}")
                await self._more.wait()

        return await asyncio.wait_for(find(), START_SECONDS)

    async def ended(self) -> int:
        status = await asyncio.wait_for(self._child.wait(), START_SECONDS)
        await asyncio.wait_for(self._reading, START_SECONDS)
        return status

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._child.send_signal(number)

    async def kill(self) -> None:
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL)
        await self.ended()

    async def _read(self) -> None:
        stream = self._child.stdout
        assert stream is not None
        while line := await stream.readline():
            self.lines.append(line.decode(errors="replace").rstrip("\n"))
            self._more.set()
        self._more.set()
