"""T22: an agent that is rolled gives its name up, and its next process is noticed before an order is repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from kvferry import Client, KvferryError
from kvferry.session import EngineSession, SessionOptions

OLD, NEXT = "a" * 16, "b" * 16


class RolledAgent:
    """The client of an agent that executes the first orders, and gives its name up when `hand_over` is set."""

    is_connected = True

    def __init__(self) -> None:
        self.epoch = OLD
        self.hand_over = False
        self._beat: Callable[[dict[str, Any]], None] | None = None

    async def on_heartbeat(self, _: str, handler: Callable[[dict[str, Any]], None]) -> RolledAgent:
        self._beat = handler
        return self

    def on_close(self, _: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    async def flush(self) -> None: ...

    async def close(self) -> None: ...

    async def open(self, _: str, **fields: object) -> dict[str, Any]:
        return {"epoch": self.epoch}

    async def end(self, _: str, **fields: object) -> dict[str, Any]:
        return {"epoch": self.epoch, "chunksInUse": 0}

    async def barrier(self, _: str, **fields: object) -> dict[str, Any]:
        return {"epoch": self.epoch, "barred": []}

    async def call(self, *_: object, **options: object) -> dict[str, Any]:
        if self.hand_over and self.epoch == OLD:
            self.epoch = NEXT
            assert self._beat is not None
            self._beat({"epoch": NEXT, "draining": False})
            raise KvferryError("no_responders", "no subscriber")
        return {"epoch": self.epoch}


async def session_of(agent: RolledAgent) -> EngineSession:
    async def nothing(*_: object) -> None: ...

    set_up = cast(Callable[..., Awaitable[None]], nothing)
    options = SessionOptions(
        cast(Client, agent), "p", "e", set_up, lambda _: None, call_timeout=1, patience=5, silent=30
    )
    session = EngineSession(options)
    await session.open()
    return session


async def test_an_order_that_did_not_arrive_goes_to_the_next_session() -> None:
    agent = RolledAgent()
    session = await session_of(agent)
    agent.hand_over = True
    assert (await session.order("put", {})).result() == {"epoch": NEXT}
    await session.end()


async def test_what_was_begun_before_does_not_go_on_in_the_next_session() -> None:
    agent = RolledAgent()
    session = await session_of(agent)
    before = session.current
    agent.hand_over = True
    with pytest.raises(KvferryError) as lost:
        (await session.order("put", {}, only=before)).result()
    assert lost.value.code == "sender_lost"
    await session.end()
