"""Sends the prompts of a cell to a system, and takes the times."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from stage.engines import ANSWER_SECONDS

from .systems import ANSWER_TOKENS, System

MS_PER_S = 1000


@dataclass(frozen=True)
class Asked:
    """A prompt and what came of it."""

    tokens: list[int]
    answer: list[int]
    ttft_ms: float
    """From the question to prefill to the first token of decode."""
    load_ms: float
    """From the question to decode to its first token."""
    is_complete: bool
    """Whether it was answered. A prompt that could not be loaded is not."""


@dataclass(frozen=True)
class Played:
    """A cell on one system."""

    asked: list[Asked]
    tokens_per_s: float
    """Tokens of answers, by the time from the first question to the last answer."""


async def ask(system: System, tokens: list[int]) -> Asked:
    began = time.perf_counter()
    transfer = await system.transfer(tokens)
    decoding = time.perf_counter()
    running = system.decode.begin(tokens, ANSWER_TOKENS, transfer)
    await running.has_tokens(1)
    first = time.perf_counter()
    answer = await asyncio.wait_for(running.answer, ANSWER_SECONDS)
    return Asked(
        tokens,
        answer.tokens,
        (first - began) * MS_PER_S,
        (first - decoding) * MS_PER_S,
        answer.finish == "length",
    )


async def play(system: System, prompts: list[list[int]], at_once: int) -> Played:
    """In the order of the prompts, with at most so many under way."""
    waiting = iter(enumerate(prompts))
    asked: dict[int, Asked] = {}

    async def client() -> None:
        for number, tokens in waiting:
            asked[number] = await ask(system, tokens)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as clients:
        for _ in range(at_once):
            clients.create_task(client())
    seconds = time.perf_counter() - began
    in_order = [asked[number] for number in range(len(prompts))]
    return Played(in_order, sum(len(one.answer) for one in in_order) / seconds)
