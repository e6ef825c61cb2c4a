"""Waits with a deadline. The clock is one that the time of day does not move."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from .errors import KvferryError

log = logging.getLogger("kvferry")

T = TypeVar("T")

_tasks: set[asyncio.Task[Any]] = set()


def now() -> float:
    """Seconds. May be called in any thread."""
    return time.monotonic()


async def within(seconds: float, late: str, work: Awaitable[T]) -> T:
    """The result of `work`. Raises `deadline_exceeded` with the message `late`, and cancels `work` then."""
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=max(0.0, seconds))
    except asyncio.CancelledError:
        give_up(task)
        raise
    if done:
        return task.result()
    give_up(task)
    raise KvferryError("deadline_exceeded", late)


def give_up(work: asyncio.Future[Any]) -> None:
    """Cancels work whose result nobody reads. It may fail on the way, and Python would print that error later."""
    work.add_done_callback(_read)
    work.cancel()


def _read(work: asyncio.Future[Any]) -> None:
    if not work.cancelled():
        work.exception()


async def pause(seconds: float) -> None:
    """Between two attempts."""
    await asyncio.sleep(seconds)


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event is set within that time."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except asyncio.TimeoutError:
        return False
    return True


def in_background(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Starts work that goes on when nobody waits for it. The event loop keeps only weak references to tasks."""
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    # A caller that waits gets the error. Without a reader, Python would print it.
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, KvferryError):
        log.error("work in the background failed", exc_info=error)
