"""What a case has: agents, engines, a router's view of both, and the list of answers that are judged in the end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from stage.engines import ANSWER_SECONDS, Answer, Engine, Running
from stage.forked import Zygote
from stage.prompts import prompt
from stage.settings import BLOCK_TOKENS, STEP_TOKENS, engine_arguments, kvferry_transfer

import kvferry
from nixl_dialect import ask_prefill
from tests.worlds.real import RealWorld
from tests.worlds.world import Role

from .judged import Alone, Expected, Told

TINY, OTHER = "tiny", "other"
ALONE = Alone(TINY)
PREFILL, DECODE = "prefill-0", "decode-0"
PAGE_BYTES = 256 << 10
ARENA_PAGES = 96
RETAINED_PAGES = 32
ANSWER_TOKENS = 24
HEARTBEAT_MS = 1000
LOAD_SECONDS = 10
OFFER_SECONDS = 20
WAIT_SECONDS = 120
"""Longer than several prompts that are loaded too late: on few cores, ranks leave the connector little."""
AGAIN_SECONDS = 0.5
POLL_SECONDS = 0.05


# The decode agent that a router names, or one for each rank. None: it names none.
Receiver = str | list[str] | None


class Failed(Exception):
    """A case found something that must not be."""


def check(condition: object, what: str) -> None:
    if not condition:
        raise Failed(what)


def check_logged_once(engine: Engine, text: str) -> None:
    lines = engine.logged(text)
    check(len(lines) == 1, f"{len(lines)} lines of {engine.forked.name} have {text!r}, and one should")


def is_loaded(tokens: list[int], answer: Answer) -> bool:
    """Whether each whole block before the last token was found and not computed."""
    return answer.cached >= (len(tokens) - 1) // BLOCK_TOKENS * BLOCK_TOKENS > 0


class Play:
    def __init__(
        self, world: RealWorld, client: kvferry.Client, zygote: Zygote, models: dict[str, Path], folder: Path
    ) -> None:
        self.world = world
        self.client = client
        self.zygote = zygote
        self.models = models
        self.folder = folder
        self.told: list[Told] = []
        self.case = ""
        self.memory_growth = 0.0
        self.deduplicated = 0
        self._engines: dict[str, Engine] = {}
        self._prefilled: dict[Engine, list[list[int]]] = {}

    async def start_agent(self, name: str, *, pages: int = ARENA_PAGES, page_bytes: int = PAGE_BYTES) -> None:
        role: Role = "prefill" if name.startswith("prefill") else "decode"
        # A busy machine must not look dead. Retained pages are the cache that later requests share.
        retained = {"--retained-pages": str(min(RETAINED_PAGES, pages // 2))} if role == "decode" else {}
        settings = {"--heartbeat-ms": str(HEARTBEAT_MS)} | retained
        await self.world.start(name, role, pages=pages, page_bytes=page_bytes, settings=settings)

    async def prefill(self) -> Engine:
        return await self._shared("prefill", "kv_producer", PREFILL)

    async def decode(self) -> Engine:
        return await self._shared("decode", "kv_consumer", DECODE)

    @asynccontextmanager
    async def engine(
        self, name: str, transfer: dict[str, Any] | None, model: str = TINY, **changes: Any
    ) -> AsyncIterator[Engine]:
        """An engine of this case alone."""
        engine = await Engine.start(self.zygote, name, self.arguments(model, **changes), transfer)
        try:
            yield engine
        finally:
            await engine.close()

    def arguments(self, model: str = TINY, **changes: Any) -> dict[str, Any]:
        return engine_arguments(str(self.models[model]), **changes)

    def transfer(self, role: str, agent: str, **changes: Any) -> dict[str, Any]:
        own: dict[str, Any] = {"nats_url": self.world.url, "load_timeout": LOAD_SECONDS, "offer_timeout": OFFER_SECONDS}
        return kvferry_transfer(role, agent, **(own | changes))

    async def prefilled(self, tokens: list[int], *, receiver: Receiver = None, engine: Engine | None = None) -> Answer:
        """Asks prefill as a router does. With a receiver it is a router that knows kvferry."""
        prefill = engine or await self.prefill()
        self._check_steps(self._prefilled.setdefault(prefill, []), tokens)
        return await prefill.ask(tokens, 1, ask_prefill(receiver))

    @staticmethod
    def _check_steps(earlier: list[list[int]], tokens: list[int]) -> None:
        """The engine that judges computes a prompt from its start. In other steps, some processors round otherwise. So
        what this prefill has cached of an earlier prompt must be whole steps, or all that it can cache."""
        whole = (len(tokens) - 1) // BLOCK_TOKENS * BLOCK_TOKENS
        for other in earlier:
            pairs = zip(tokens, other, strict=False)
            cached = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
            cached = min(cached // BLOCK_TOKENS * BLOCK_TOKENS, whole)
            check(cached in (0, whole) or cached % STEP_TOKENS == 0, f"{cached} tokens in the cache are no whole steps")
        if tokens not in earlier:
            earlier.append(tokens)

    async def decoding(self, tokens: list[int], prefilled: Answer, *, engine: Engine | None = None) -> Running:
        """Asks decode as a router does."""
        return (engine or await self.decode()).begin(tokens, ANSWER_TOKENS, prefilled.transfer)

    async def decoded(
        self,
        tokens: list[int],
        prefilled: Answer,
        expected: Expected,
        *,
        engine: Engine | None = None,
        alone: Alone = ALONE,
        beside: bool = False,
    ) -> Answer:
        """Decode's answer, which is judged in the end."""
        running = await self.decoding(tokens, prefilled, engine=engine)
        return await self.answered(tokens, running, expected, alone=alone, beside=beside)

    async def answered(
        self,
        tokens: list[int],
        running: Running,
        expected: Expected,
        *,
        alone: Alone = ALONE,
        beside: bool = False,
    ) -> Answer:
        answer = await asyncio.wait_for(running.answer, ANSWER_SECONDS)
        self.tell(tokens, answer, expected, alone=alone, beside=beside)
        return answer

    def tell(
        self, tokens: list[int], answer: Answer, expected: Expected, *, alone: Alone = ALONE, beside: bool = False
    ) -> None:
        """`beside`: other prompts were computed in the same steps."""
        check(answer.finish == "length", f"the answer ended with {answer.finish}")
        if expected is Expected.LOADED:
            check(is_loaded(tokens, answer), f"{answer.cached} of {len(tokens)} tokens were loaded")
        if expected is Expected.RECOMPUTED:
            check(not is_loaded(tokens, answer), "all was loaded, and should not have been")
        self.told.append(Told(self.case, tuple(tokens), answer, expected, alone, beside))

    async def ferried(self, name: str, length: int = 300, *, receiver: Receiver = None, beside: bool = False) -> Answer:
        """A prompt through both engines that must be loaded."""
        tokens = prompt(name, length)
        prefilled = await self.prefilled(tokens, receiver=receiver)
        return await self.decoded(tokens, prefilled, Expected.LOADED, beside=beside)

    async def ferried_again(
        self,
        name: str,
        *,
        receiver: Receiver = None,
        prefill: Engine | None = None,
        decode: Engine | None = None,
        alone: Alone = ALONE,
    ) -> None:
        """After a failure: new prompts, until one is loaded. Those before it are computed."""
        until = asyncio.get_running_loop().time() + WAIT_SECONDS
        for number in itertools.count():
            tokens = prompt(f"{name}-{number}", 300)
            prefilled = await self.prefilled(tokens, receiver=receiver, engine=prefill)
            running = await self.decoding(tokens, prefilled, engine=decode)
            answer = await asyncio.wait_for(running.answer, ANSWER_SECONDS)
            loaded = is_loaded(tokens, answer)
            self.tell(tokens, answer, Expected.LOADED if loaded else Expected.RECOMPUTED, alone=alone)
            if loaded:
                return
            check(asyncio.get_running_loop().time() < until, f"no prompt was loaded within {WAIT_SECONDS} s")
            await asyncio.sleep(AGAIN_SECONDS)

    async def processes(self) -> dict[str, int]:
        agents = {name: agent.pid for name, agent in self.world.agents.items()}
        return agents | {name: engine.forked.pid for name, engine in self._engines.items()}

    async def counter(self, agent: str, name: str) -> int:
        return (await self.client.status(agent))["counters"].get(name, 0)

    async def eventually(self, condition: Callable[[], Awaitable[object]], what: str) -> None:
        until = asyncio.get_running_loop().time() + WAIT_SECONDS
        while not await condition():
            check(asyncio.get_running_loop().time() < until, f"it did not happen in {WAIT_SECONDS} s: {what}")
            await asyncio.sleep(POLL_SECONDS)

    async def pages_are_free(self, agent: str = DECODE) -> bool:
        """Whether each page is free, or cache without a reader."""
        pages = (await self.client.status(agent)).get("pages")
        return pages is None or pages["free"] + pages["retained"] == pages["total"]

    async def source_is_free(self, agent: str = PREFILL) -> bool:
        return all(segment["chunksInUse"] == 0 for segment in (await self.client.status(agent))["segments"])

    async def close_engines(self) -> None:
        for engine in self._engines.values():
            await engine.close()
        self._engines.clear()

    async def _shared(self, name: str, role: str, agent: str) -> Engine:
        if name not in self._engines:
            self._engines[name] = await Engine.start(self.zygote, name, self.arguments(), self.transfer(role, agent))
        return self._engines[name]
