"""A thread that runs an event loop, for callers without asyncio."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from .errors import KvferryError

log = logging.getLogger("kvferry")

T = TypeVar("T")

DEADLINE_SECONDS = 120.0
"""For one call. Longer than every limit inside it, so that it only ends a call whose loop stands still."""
_STOP_SECONDS = 10.0


class LoopThread:
    """Starts when it is made. `stop` ends it. Any thread but its own may call it."""

    def __init__(self, name: str = "kvferry") -> None:
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def is_usable(self) -> bool:
        """It was not stopped, and this process was not forked since it was made."""
        return self._process == os.getpid() and not self._loop.is_closed()

    def run(self, work: Coroutine[Any, Any, T], timeout: float = DEADLINE_SECONDS) -> T:
        """The result of work in the event loop. Raises `deadline_exceeded` after `timeout` seconds."""
        future = self.submit(work)
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError:
            if not future.cancel() and future.exception() is None:
                # It has ended at the last moment: what it has taken belongs to the caller.
                return future.result()
            raise KvferryError("deadline_exceeded", f"the work took more than {timeout:g} s") from None
        except BaseException:
            future.cancel()
            raise

    def begin(self, work: Coroutine[Any, Any, object]) -> None:
        """Starts work that nobody waits for. What it raises is logged."""
        self.submit(work).add_done_callback(_logged)

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Starts work in the event loop."""
        if not self.is_usable:
            work.close()
            raise KvferryError("closed", "the client is closed, or was made before this process was forked")
        if threading.current_thread() is self._thread:
            work.close()
            raise KvferryError("internal", "the thread of the event loop would wait for itself: await the work instead")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self) -> None:
        """Cancels what runs, and ends the thread. Idempotent."""
        if not self.is_usable:
            return

        async def cancel_all() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        try:
            self.run(cancel_all(), _STOP_SECONDS)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_STOP_SECONDS)
            if not self._thread.is_alive():
                self._loop.close()


def _logged(work: concurrent.futures.Future[object]) -> None:
    error = None if work.cancelled() else work.exception()
    if error is not None:
        log.error("work in the background failed", exc_info=error)
