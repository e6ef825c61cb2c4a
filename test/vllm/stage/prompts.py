"""Prompts of random tokens, so that no two of them have a prefix in common unless a test wants one."""

from __future__ import annotations

import random

VOCABULARY = 256


def prompt(name: str, length: int, *, head: list[int] | None = None) -> list[int]:
    """Always the same tokens for a name. `head` is its beginning."""
    tokens = random.Random(name)
    begin = head or []
    return begin + [tokens.randrange(VOCABULARY) for _ in range(length - len(begin))]
