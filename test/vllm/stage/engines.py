"""A vLLM engine as the proof drives it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .forked import Died, Forked, Zygote
from .steps import Step

START_SECONDS = 240
ANSWER_SECONDS = 240
CLOSE_SECONDS = 15


class EngineRefused(Exception):
    """The engine did not start, for the reason in the text."""


@dataclass(frozen=True)
class Answer:
    tokens: list[int]
    logprobs: list[float]
    steps: list[Step]
    """In which the engine computed the prompt, from the first token that it had neither cached nor loaded."""
    finish: str
    transfer: dict[str, Any] | None
    """What a router passes on to decode."""

    @property
    def cached(self) -> int:
        """Tokens of the prompt that were not computed: found in the engine's own cache, or loaded."""
        return min(first for first, _ in self.steps)


class Running:
    """A request in an engine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._count = 0
        self._phases: set[str] = set()
        self._more = asyncio.Event()

    def counted(self, count: int) -> None:
        self._count = count
        self._more.set()

    def entered(self, phase: str) -> None:
        self._phases.add(phase)
        self._more.set()

    async def has_tokens(self, count: int) -> None:
        """Returns when the engine has generated so many tokens."""
        await self._until(lambda: self._count >= count)

    async def is_loading(self) -> None:
        """Returns when the request waits for its chunks."""
        await self._until(lambda: "loading" in self._phases)

    async def is_computing(self) -> None:
        """Returns when a part of the prompt has been computed."""
        await self._until(lambda: "computing" in self._phases)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(ANSWER_SECONDS):
            while not condition():
                self._more.clear()
                await self._more.wait()


class Engine:
    def __init__(self, forked: Forked) -> None:
        self.forked = forked
        self._numbers = itertools.count()
        self._running: dict[str, Running] = {}
        self._listening = asyncio.get_running_loop().create_task(self._listen())

    @classmethod
    async def start(
        cls,
        zygote: Zygote,
        name: str,
        arguments: dict[str, Any],
        transfer: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
    ) -> Engine:
        """Raises `EngineRefused` with vLLM's reason."""
        spec = {"arguments": arguments, "transfer": transfer, "environment": environment or {}}
        forked = await zygote.fork(name, "stage.engine", spec)
        report = await asyncio.wait_for(forked.report(), START_SECONDS)
        if "failed" in report:
            await forked.ended()
            raise EngineRefused(report["failed"])
        return cls(forked)

    def begin(self, tokens: Sequence[int], most: int, transfer: dict[str, Any] | None = None) -> Running:
        """Asks for so many tokens."""
        running = Running(f"{self.forked.name}-{next(self._numbers)}")
        self._running[running.name] = running
        self.forked.order(add=running.name, tokens=list(tokens), most=most, transfer=transfer)
        return running

    async def ask(self, tokens: Sequence[int], most: int, transfer: dict[str, Any] | None = None) -> Answer:
        return await asyncio.wait_for(self.begin(tokens, most, transfer).answer, ANSWER_SECONDS)

    def abort(self, running: Running) -> None:
        """As a server does when its client is gone."""
        self.forked.order(abort=running.name)
        self._running.pop(running.name, None)
        running.answer.cancel()

    def forget_prompts(self) -> None:
        """Empties the engine's own cache."""
        self.forked.order(reset=True)

    def negate_input(self) -> None:
        """Changes the weights, and empties its caches."""
        self.forked.order(negate=True)

    def logged(self, text: str) -> list[str]:
        """The lines of its log with this text."""
        return [line for line in self.forked.log.read_text(errors="replace").splitlines() if text in line]

    async def close(self) -> None:
        """As a server ends. The engine gives its memory back, or is killed after a while."""
        self._listening.cancel()
        with suppress(asyncio.CancelledError):
            await self._listening
        self.forked.order(stop=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.forked.ended(), CLOSE_SECONDS)
        await self.forked.kill()

    async def _listen(self) -> None:
        try:
            while True:
                report = await self.forked.report()
                running = self._running.get(report["id"])
                if running is None:
                    continue
                if "phase" in report:
                    running.entered(report["phase"])
                    continue
                if "count" in report:
                    running.counted(report["count"])
                    continue
                del self._running[running.name]
                answer = answer_of(report["answer"])
                running.counted(len(answer.tokens))
                if not running.answer.done():
                    running.answer.set_result(answer)
        except Died as died:
            for running in self._running.values():
                if not running.answer.done():
                    running.answer.set_exception(died)


def answer_of(report: dict[str, Any]) -> Answer:
    steps = [(first, end) for first, end in report["steps"]]
    return Answer(**report | {"steps": steps})
