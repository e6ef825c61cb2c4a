"""Plays each cell on all systems, one after the other, and judges their answers."""

from __future__ import annotations

from dataclasses import dataclass

from stage.prompts import prompt

from .asking import Asked, Played, play
from .cells import Cell
from .systems import PROMPT_TOKENS, System

WARM_PROMPTS = 2


@dataclass
class Sample:
    """A round of a cell on one system. Lists are in the order of the prompts."""

    system: str
    path: str
    share_percent: int
    at_once: int
    ttft_ms: list[float]
    added_ms: list[float]
    """What the first token of each prompt took longer than with one vLLM alone, in the same round."""
    load_ms: list[float]
    tokens_per_s: float
    wrong: int
    """Prompts with another answer than that of one vLLM, or with none."""


class Rounds:
    def __init__(self, systems: list[System]) -> None:
        """The first system is one vLLM alone, which judges the others."""
        self._systems = systems
        self._doubtful: list[tuple[Sample, Asked]] = []
        self.samples: list[Sample] = []

    async def warm(self) -> None:
        """Connects, and lets each engine allocate what it allocates once."""
        prompts = [prompt(f"warm-{number}", PROMPT_TOKENS) for number in range(WARM_PROMPTS)]
        for system in self._systems:
            with system.turn():
                await play(system, prompts, 1)

    async def play(self, cell: Cell, number: int) -> None:
        alone, *others = self._systems
        reference = await self._played(alone, cell, number)
        self._keep(alone, cell, reference, reference)
        # Another order in each round.
        first = number % len(others)
        for system in others[first:] + others[:first]:
            self._keep(system, cell, await self._played(system, cell, number), reference)

    async def judge(self) -> None:
        """An answer that differs is right when one vLLM gives it, which computes the prompt or has it in its cache. A
        prompt that is computed in other parts has other roundings."""
        engine = self._systems[0].decode
        for sample, one in self._doubtful:
            engine.forget_prompts()
            right = [(await engine.ask(one.tokens, len(one.answer))).tokens for _ in range(2)]
            sample.wrong += one.answer not in right

    async def _played(self, system: System, cell: Cell, number: int) -> Played:
        warming = cell.warming(number)
        with system.turn():
            if warming is not None:
                await play(system, [warming], 1)
            played = await play(system, cell.prompts(number), cell.at_once)
        system.forget()
        return played

    def _keep(self, system: System, cell: Cell, played: Played, alone: Played) -> None:
        pairs = list(zip(played.asked, alone.asked, strict=True))
        sample = Sample(
            system=system.described.name,
            path=system.described.path,
            share_percent=cell.share_percent,
            at_once=cell.at_once,
            ttft_ms=[one.ttft_ms for one, _ in pairs],
            added_ms=[one.ttft_ms - other.ttft_ms for one, other in pairs],
            load_ms=[one.load_ms for one, _ in pairs],
            tokens_per_s=played.tokens_per_s,
            wrong=sum(not one.is_complete for one, _ in pairs),
        )
        self.samples.append(sample)
        self._doubtful += [(sample, one) for one, other in pairs if one.is_complete and one.answer != other.answer]
