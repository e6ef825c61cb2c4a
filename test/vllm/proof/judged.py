"""Answers and what they must be. One vLLM without a connector judges them, after all cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from stage.engines import Answer, Engine

OTHER_STEPS_DIFF_MAX = 1e-4
"""Between the logprobs of one prompt that was computed in other steps. Some processors round otherwise then, in any
vLLM."""


class Expected(Enum):
    LOADED = "the tokens of one vLLM, from a loaded cache"
    RECOMPUTED = "the tokens of one vLLM, computed again because nothing could be loaded"
    PLAIN = "the tokens of one vLLM, for a request that has nothing to do with kvferry"
    CHANGED = "other tokens than those of one vLLM, because a byte was changed on the way"


@dataclass(frozen=True, order=True)
class Alone:
    """The engine without a connector that judges an answer."""

    model: str
    ranks: int = 1
    """More of them add in another order, so that logprobs differ a little from those of one."""


@dataclass(frozen=True)
class Told:
    case: str
    prompt: tuple[int, ...]
    answer: Answer
    expected: Expected
    alone: Alone
    beside: bool = False
    """Computed in steps with other prompts."""

    @property
    def in_other_steps(self) -> bool:
        """Whether the engine that judges computes other steps. vLLM computes the last token of a prompt that was loaded
        as a whole, and the last block of one that it has in its own cache."""
        return self.beside or self.answer.cached == len(self.prompt)


@dataclass
class Verdict:
    wrong: list[str] = field(default_factory=list)
    """Answers that are not as expected, in words."""
    equal: bool = True
    logprob_diff: float = 0
    differing: list[str] = field(default_factory=list)
    """Answers with such a difference, in words."""
    changed: int = 0
    counts: dict[Expected, int] = field(default_factory=lambda: dict.fromkeys(Expected, 0))


async def judge(verdict: Verdict, engine: Engine, all_told: Sequence[Told]) -> None:
    """The engine answers each prompt twice: it computes it, then it finds the whole blocks in its cache. The second
    answer is made from the same split of the prompt as one that was loaded."""
    alone: dict[tuple[int, ...], tuple[Answer, Answer]] = {}
    for told in all_told:
        if told.prompt not in alone:
            most = len(told.answer.tokens)
            engine.forget_prompts()
            alone[told.prompt] = (await engine.ask(told.prompt, most), await engine.ask(told.prompt, most))
        computed, cached = alone[told.prompt]
        _compare(verdict, told, cached if told.answer.cached else computed)


def _compare(verdict: Verdict, told: Told, alone: Answer) -> None:
    verdict.counts[told.expected] += 1
    is_equal = told.answer.tokens == alone.tokens
    if told.expected is Expected.CHANGED:
        verdict.changed += not is_equal
        if is_equal:
            verdict.wrong.append(f"{told.case}: a changed layer changed no token")
        return
    if not is_equal:
        verdict.equal = False
        verdict.wrong.append(f"{told.case}: {told.answer.tokens} are not {alone.tokens}, {told.expected.value}")
        return
    pairs = zip(told.answer.logprobs, alone.logprobs, strict=True)
    diff = max(abs(here - there) for here, there in pairs)
    if told.in_other_steps:
        if diff > OTHER_STEPS_DIFF_MAX:
            verdict.wrong.append(f"{told.case}: logprobs differ by {diff:g}")
        return
    if diff > 0:
        what = f"{len(told.prompt)} tokens, {told.answer.cached} cached, {told.expected.value}"
        verdict.differing.append(f"{told.case}: logprobs differ by {diff:g}, {what}")
    verdict.logprob_diff = max(verdict.logprob_diff, diff)
