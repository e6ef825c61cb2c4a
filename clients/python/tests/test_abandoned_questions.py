"""A question whose caller has gone leaves no error behind that Python prints later."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import Any

import nats.errors
import pytest

from kvferry.nats_access import AccessClient, NatsAccess
from kvferry.transport import NatsTransport
from kvferry.waiting import within


class Refusing(AccessClient):
    """Nobody responds, and the answer comes with a cancel: `wait_for` of Python 3.11 then returns it."""

    def __init__(self) -> None:
        super().__init__(NatsAccess(), ["nats://127.0.0.1:1"])
        self.asked = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        return True

    async def request(self, *_: Any, **__: Any) -> Any:
        self.asked.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        raise nats.errors.NoRespondersError


async def printed_after(caller: asyncio.Task[Any], asked: asyncio.Event) -> list[str]:
    """The caller is cancelled, and then its question fails. What the event loop would print."""
    loop = asyncio.get_running_loop()
    printed: list[str] = []
    loop.set_exception_handler(lambda _, context: printed.append(context["message"]))
    try:
        await asked.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        del caller
        for _ in range(3):
            await asyncio.sleep(0)  # the question ends
        gc.collect()
        return printed
    finally:
        loop.set_exception_handler(None)


async def test_a_question_fails_while_its_caller_is_cancelled() -> None:
    client = Refusing()
    caller = asyncio.ensure_future(NatsTransport(client).request("kvferry.v2.discover", b"{}", 1))
    assert await printed_after(caller, client.asked) == []


async def test_work_with_a_limit_fails_while_its_caller_is_cancelled() -> None:
    asked = asyncio.Event()

    async def fails() -> None:
        asked.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        raise OSError("the connection is broken")

    assert await printed_after(asyncio.ensure_future(within(1, "late", fails())), asked) == []
