"""What the worker side counts, since vLLM took the counts the last time."""

from __future__ import annotations

import threading
from typing import Any

COUNTERS = {
    "prompts_offered": "Prompts that were put for a decode server",
    "prompts_shortened": "Prompts of which not all chunks were put, because source memory was full or the agent away",
    "puts_failed": "Prompts that the agent did not take",
    "offers_expired": "Prompts that no decode server fetched in time",
    "chunks_put": "Chunks that were put",
    "chunks_loaded": "Chunks that were loaded",
    "bytes_loaded": "Bytes that were loaded",
    "loads_failed": "Prompts of which not all chunks were loaded",
    "loads_abandoned": "Prompts that ended before their chunks were loaded",
}
SECONDS = {
    "wait_seconds": "Time from the order to load a prompt until its chunks were in the arena",
    "copy_seconds": "Time to copy the chunks of a prompt from the arena to vLLM's blocks",
    "save_seconds": "Time that a step spent on copies from vLLM's blocks to source memory",
}


class Counts:
    """Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._data = empty()

    def add(self, name: str, number: int = 1) -> None:
        with self._lock:
            self._data[name] += number

    def observe(self, name: str, seconds: float) -> None:
        with self._lock:
            self._data[name].append(seconds)

    def take(self) -> dict[str, Any] | None:
        """The counts since the last call. None: there are none."""
        with self._lock:
            taken, self._data = self._data, empty()
        return None if is_empty(taken) else taken


def empty() -> dict[str, Any]:
    return {**dict.fromkeys(COUNTERS, 0), **{name: [] for name in SECONDS}}


def is_empty(data: dict[str, Any]) -> bool:
    return not any(data.values())


def add_up(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {name: one[name] + other[name] for name in empty()}


def reduced(data: dict[str, Any]) -> dict[str, int | float]:
    """For a log line: what happened, and the means of the times."""
    shown: dict[str, int | float] = {name: data[name] for name in COUNTERS if data[name]}
    for name in SECONDS:
        if data[name]:
            shown[f"mean_{name}"] = round(sum(data[name]) / len(data[name]), 4)
    return shown
