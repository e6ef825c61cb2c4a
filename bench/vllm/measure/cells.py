"""The cells of the table, and their prompts."""

from __future__ import annotations

from dataclasses import dataclass

from stage.prompts import prompt

from .systems import CHUNK_TOKENS, PROMPT_TOKENS

# Requests of a cell, by how many are under way at once.
REQUESTS = {1: 4, 4: 8, 16: 16}
SHARES = (0, 50, 95)


@dataclass(frozen=True)
class Cell:
    share_percent: int
    """How much of each prompt is the beginning of an earlier one."""
    at_once: int

    def warming(self, number: int) -> list[int] | None:
        """A prompt that comes first and is not measured. None: the prompts of the cell share nothing."""
        return None if self.share_percent == 0 else self._prompt(number, "first")

    def prompts(self, number: int) -> list[list[int]]:
        """Those of a round: the same for each system, and never seen before."""
        return [self._prompt(number, str(one)) for one in range(REQUESTS[self.at_once])]

    def _prompt(self, number: int, name: str) -> list[int]:
        cell = f"{self.share_percent}-{self.at_once}-{number}"
        # Whole chunks: no system shares less.
        shared = PROMPT_TOKENS * self.share_percent // 100 // CHUNK_TOKENS * CHUNK_TOKENS
        return prompt(f"{cell}-{name}", PROMPT_TOKENS, head=prompt(f"{cell}-head", shared))


def cells(quick: bool) -> list[Cell]:
    at_once = (1, 4) if quick else tuple(REQUESTS)
    shares = (0, 95) if quick else SHARES
    return [Cell(share, many) for share in shares for many in at_once]
