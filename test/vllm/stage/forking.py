"""vLLM starts processes of its own: the engine of a server, and the workers of several ranks. On CPU it spawns them,
so that each imports everything again."""

from __future__ import annotations

import multiprocessing
import time

from vllm.distributed.device_communicators import shm_broadcast

WAIT_SECONDS = 0.0002


def fork_always() -> None:
    """A forked process has imported everything already."""
    contexts = multiprocessing.get_context
    multiprocessing.get_context = lambda method=None: contexts("fork")  # type: ignore[assignment]


def wait_without_spinning() -> None:
    """Ranks wait for each other's messages in a loop of `sched_yield`. Where ranks and agents share two processors,
    Linux 6.18 let agents wait up to a minute for their turn."""
    shm_broadcast.sched_yield = lambda: time.sleep(WAIT_SECONDS)
