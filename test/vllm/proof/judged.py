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

    def may_differ(self) -> bool:
        """Whether it may be computed in other steps than the engine that judges computes. A prompt that was loaded as a
        whole is: vLLM computes its last token, and the last block of one that it has in its own cache."""
        return self.beside or self.answer.cached == len(self.prompt) - 1


@dataclass
class Verdict:
    wrong: list[str] = field(default_factory=list)
    """Answers that are not as expected, in words."""
    equal: bool = True
    logprob_diff: float = 0
    differing: list[str] = field(default_factory=list)
    """Answers with such a difference, in words."""
    exact: int = 0
    """Answers that were computed in the steps of the engine that judges, so that their logprobs must be equal."""
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
        _compare(verdict, told, alone[told.prompt])


def _compare(verdict: Verdict, told: Told, answers: tuple[Answer, Answer]) -> None:
    same = [one for one in answers if one.steps[-len(told.answer.steps) :] == told.answer.steps]
    alone = (same or answers)[0]
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
    if told.beside or not same:
        if not told.may_differ():
            verdict.wrong.append(f"{told.case}: computed in steps {told.answer.steps}, which the judge has not")
        if diff > OTHER_STEPS_DIFF_MAX:
            verdict.wrong.append(f"{told.case}: logprobs differ by {diff:g}")
        return
    verdict.exact += 1
    if diff > 0:
        what = f"{len(told.prompt)} tokens, steps {told.answer.steps}, {told.expected.value}"
        verdict.differing.append(f"{told.case}: logprobs differ by {diff:g}, {what}")
    verdict.logprob_diff = max(verdict.logprob_diff, diff)
