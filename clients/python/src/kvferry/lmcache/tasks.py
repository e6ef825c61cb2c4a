"""The results of one kind of task: LMCache submits, waits for a file descriptor, and takes each result once."""

from __future__ import annotations

import threading
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Notifier(Protocol):
    """What is used of LMCache's `EventNotifier`."""

    def fileno(self) -> int: ...
    def notify(self) -> None: ...
    def close(self) -> None: ...


class Results(Generic[T]):
    """Any thread may call it."""

    def __init__(self, notifier: Notifier) -> None:
        self.fileno = notifier.fileno()
        self._notifier = notifier
        self._lock = threading.Lock()
        self._results: dict[int, T] = {}
        self._is_closed = False

    def add(self, task: int, result: T) -> None:
        with self._lock:
            if not self._is_closed:
                self._results[task] = result
                self._notifier.notify()

    def take(self, task: int) -> T | None:
        with self._lock:
            return self._results.pop(task, None)

    def take_all(self) -> dict[int, T]:
        with self._lock:
            results, self._results = self._results, {}
        return results

    def close(self) -> None:
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._notifier.close()
