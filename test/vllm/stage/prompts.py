"""Prompts of random tokens, so that no two of them have a prefix in common unless a test wants one."""

from __future__ import annotations

import random

from .settings import STEP_TOKENS

VOCABULARY = 256


def prompt(name: str, length: int, *, head: list[int] | None = None) -> list[int]:
    """Always the same tokens for a name. `head` is its beginning, of whole steps: a prompt whose head is cached is
    then computed in the same steps as one without. In other steps, some processors round otherwise."""
    if head is not None and len(head) % STEP_TOKENS != 0:
        raise ValueError(f"a head of {len(head)} tokens is not a whole number of steps of {STEP_TOKENS}")
    tokens = random.Random(name)
    begin = head or []
    return begin + [tokens.randrange(VOCABULARY) for _ in range(length - len(begin))]
