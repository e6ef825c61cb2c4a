"""Many prompts while agents are killed, one every 20 seconds: `npm run test:vllm -- --soak 2000`."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections import defaultdict

from stage.engines import Engine
from stage.prompts import prompt
from stage.running import say

from .judged import Expected
from .play import ANSWER_TOKENS, DECODE, PREFILL, Play, check, is_loaded
from .steady_case import GROWTH_MIB_MAX, anonymous_mib

CLIENTS = 4
KILL_SECONDS = 20
AWAY_SECONDS = 2
# Prompts come again, so that they can be judged in time.
PROMPTS = 100
TOKENS = 200
# Of all prompts. After so many, and one kill of each agent, the memory of the engines is compared with that at the
# end. The first prompt that is computed again lets vLLM allocate what it then keeps.
WARM_SHARE = 0.25
SAID_EVERY = 100


async def soak(play: Play, count: int) -> None:
    prefill = await play.prefill()
    # Without a cache of its own, so that it loads each prompt.
    transfer = play.transfer("kv_consumer", DECODE)
    async with play.engine("decode-soak", transfer, enable_prefix_caching=False) as decode:
        await Soak(play, prefill, decode, count).run()


class Soak:
    def __init__(self, play: Play, prefill: Engine, decode: Engine, count: int) -> None:
        self._play = play
        self._decode = decode
        self._pids = {"prefill": prefill.forked.pid, "decode": decode.forked.pid}
        self._count = count
        self._numbers = itertools.count()
        self.kills = 0
        self.loaded = 0
        self.answered = 0
        self._warm: dict[str, float] = {}
        # MiB of each process of an agent when it was killed: all but the first ones are equally old then.
        self._at_kill: defaultdict[str, list[float]] = defaultdict(list)

    async def run(self) -> None:
        killing = asyncio.create_task(self._kill())
        try:
            await asyncio.gather(*(self._client() for _ in range(CLIENTS)))
        finally:
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)
        growth = self._growth() | {name: _growth_of_lives(lives[1:]) for name, lives in self._at_kill.items()}
        self._play.memory_growth = max(growth.values())
        say(f"{self.loaded} of {self.answered} loaded, {self.kills} agents killed, growth in MiB {growth}")
        check(self._play.memory_growth <= GROWTH_MIB_MAX, f"memory has grown: {growth} MiB")
        check(len(self._warm) > 0, f"{self.kills} agents were killed: ask for more prompts")
        check(self.loaded > 0, "nothing was loaded")

    async def _client(self) -> None:
        while (number := next(self._numbers)) < self._count:
            tokens = prompt(f"soak-{number % PROMPTS}", TOKENS)
            prefilled = await self._play.prefilled(tokens, receiver=DECODE if number % 2 else None)
            answer = await self._decode.ask(tokens, ANSWER_TOKENS, prefilled.transfer)
            is_good = is_loaded(tokens, answer)
            self._play.tell(tokens, answer, Expected.LOADED if is_good else Expected.RECOMPUTED, beside=True)
            self.loaded += is_good
            self.answered += 1
            if not self._warm and self.answered >= WARM_SHARE * self._count and self.kills >= len(self._at_kill) == 2:
                self._warm = self._memory()
            if self.answered % SAID_EVERY == 0:
                text = f"{self.answered} answers, {self.loaded} loaded, {self.kills} agents killed"
                say(f"{time.strftime('%H:%M:%S')} {text}, growth in MiB {self._growth()}")

    async def _kill(self) -> None:
        for agent in itertools.cycle((PREFILL, DECODE)):
            await asyncio.sleep(KILL_SECONDS)
            self._at_kill[agent].append(anonymous_mib(self._play.world.agents[agent].pid))
            await self._play.world.kill(agent)
            await asyncio.sleep(AWAY_SECONDS)
            await self._play.start_agent(agent)
            self.kills += 1

    def _growth(self) -> dict[str, float]:
        return {name: round(mib - self._warm.get(name, mib), 1) for name, mib in self._memory().items()}

    def _memory(self) -> dict[str, float]:
        return {name: anonymous_mib(pid) for name, pid in self._pids.items()}


def _growth_of_lives(mib: list[float]) -> float:
    """From the processes of the first half of the time to those of the second half."""
    half = len(mib) // 2
    return round(statistics.median(mib[half:]) - statistics.median(mib[:half]), 1) if half > 0 else 0.0
