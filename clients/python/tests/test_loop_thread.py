"""Work in the thread of an event loop, for programs without asyncio, and a connection that is made there."""

from __future__ import annotations

import concurrent.futures
import logging
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from kvferry import KvferryError
from kvferry.background_link import BackgroundLink
from kvferry.loop_thread import LoopThread

WAIT_SECONDS = 10


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    made = LoopThread("test")
    yield made
    made.stop()


class AtTheDeadline(concurrent.futures.Future[str]):
    """Ends while its caller gives it up."""

    def result(self, timeout: float | None = None) -> str:
        if timeout is not None:
            self.set_result("taken")
            raise concurrent.futures.TimeoutError
        return super().result()


async def fail() -> None:
    raise RuntimeError("nobody has foreseen this")


async def nothing() -> None:
    """Ends at once."""


def test_a_result_that_comes_at_the_deadline_is_not_lost(loop: LoopThread, monkeypatch: pytest.MonkeyPatch) -> None:
    def submit(work: Coroutine[Any, Any, str]) -> AtTheDeadline:
        work.close()
        return AtTheDeadline()

    async def work() -> str:
        return "taken"

    monkeypatch.setattr(loop, "submit", submit)
    assert loop.run(work(), 1) == "taken"


def test_work_that_nobody_waits_for_and_that_fails_is_logged(
    loop: LoopThread, caplog: pytest.LogCaptureFixture
) -> None:
    loop.begin(fail())
    loop.run(nothing(), WAIT_SECONDS)
    assert ["nobody has foreseen this" in str(record.exc_info) for record in caplog.records] == [True]


class Link(BackgroundLink):
    """Made at the third attempt."""

    def __init__(self) -> None:
        super().__init__("prefill-0", logging.getLogger("kvferry.test"))
        self._errors: list[Exception] = [KvferryError("disconnected", "no NATS"), RuntimeError("unforeseen")]

    async def make(self) -> str:
        if self._errors:
            raise self._errors.pop(0)
        return ""


def test_a_connection_is_tried_again_after_an_error_that_nobody_has_foreseen(
    loop: LoopThread, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvferry.background_link._AGAIN_SECONDS", 0)
    link = Link()
    loop.run(link.make_always(), WAIT_SECONDS)
    assert link.problem is None
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert ["no NATS" in lines[0], "unforeseen" in lines[1], len(lines)] == [True, True, 2]
