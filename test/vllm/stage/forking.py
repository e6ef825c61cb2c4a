"""vLLM starts processes of its own: the engine of a server, and the workers of several ranks. On CPU it spawns them,
so that each imports everything again."""

from __future__ import annotations

import multiprocessing


def fork_always() -> None:
    """A forked process has imported everything already."""
    contexts = multiprocessing.get_context
    multiprocessing.get_context = lambda method=None: contexts("fork")  # type: ignore[assignment]
