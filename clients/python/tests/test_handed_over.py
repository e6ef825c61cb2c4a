"""T22: an agent that is rolled gives its name up, and its next process is noticed before an order is repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from kvferry import Client, KvferryError
from kvferry.session import EngineSession, SessionOptions

from .conftest import eventually

OLD, NEXT = "a" * 16, "b" * 16


class RolledAgent:
    """The client of an agent that executes the first orders, and gives its name up when `hand_over` is set."""

    is_connected = True

    def __init__(self) -> None:
        self.epoch = OLD
        self.hand_over = False
        self.last_words = KvferryError("no_responders", "no subscriber")
        """What an order fails with that comes too late."""
        self.answers_open = True
        self.attaches = True
        """It answers when an engine attaches its memory."""
        self.opened: list[object] = []
        self.ended: list[object] = []
        self._beat: Callable[[dict[str, Any]], None] | None = None

    async def on_heartbeat(self, _: str, handler: Callable[[dict[str, Any]], None]) -> RolledAgent:
        self._beat = handler
        return self

    def on_close(self, _: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    async def flush(self) -> None: ...

    async def close(self) -> None: ...

    async def open(self, _: str, *, session: str, **fields: object) -> dict[str, Any]:
        self.opened.append(session)
        if not self.answers_open:
            await asyncio.Event().wait()
        return {"epoch": self.epoch}

    async def end(self, _: str, *, session: str, **fields: object) -> dict[str, Any]:
        self.ended.append(session)
        return {"epoch": self.epoch, "chunksInUse": 0}

    async def barrier(self, _: str, **fields: object) -> dict[str, Any]:
        return {"epoch": self.epoch, "barred": []}

    async def call(self, *_: object, **options: object) -> dict[str, Any]:
        if self.hand_over and self.epoch == OLD:
            self.roll(NEXT)
            raise self.last_words
        return {"epoch": self.epoch}

    def roll(self, epoch: str) -> None:
        """The next process has the name."""
        self.epoch = epoch
        self.beat(epoch)

    def beat(self, epoch: str, draining: bool = False) -> None:
        assert self._beat is not None
        self._beat({"epoch": epoch, "draining": draining})


async def session_of(agent: RolledAgent, attach: Callable[[], None] = lambda: None) -> EngineSession:
    async def set_up_by(*_: object) -> None:
        attach()
        if not agent.attaches:
            await asyncio.Event().wait()

    set_up = cast(Callable[..., Awaitable[None]], set_up_by)
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


async def test_an_agent_that_is_rolled_twice_is_noticed_twice() -> None:
    agent = RolledAgent()
    session = await session_of(agent)
    for epoch in (NEXT, "c" * 16):
        agent.roll(epoch)
        assert (await session.order("put", {})).result() == {"epoch": epoch}
    assert len(set(agent.opened)) == 3
    await session.end()


async def test_a_process_that_drains_or_had_the_name_before_ends_no_session() -> None:
    agent = RolledAgent()
    session = await session_of(agent)
    agent.beat(NEXT, draining=True)
    assert session.current is not None
    agent.roll(NEXT)
    await session.order("put", {})
    present = session.current
    agent.beat(OLD)
    assert (present is not None, session.current) == (True, present)
    await session.end()


async def test_a_session_whose_memory_was_not_attached_is_ended_and_not_used_again() -> None:
    agent, failures = RolledAgent(), [KvferryError("deadline_exceeded", "no answer")]

    def attach() -> None:
        if failures:
            raise failures.pop()

    session = await session_of(agent, attach)
    assert len(set(agent.opened)) == 2
    await eventually(lambda: agent.ended == agent.opened[:1], "the first session is ended")
    await session.end()


async def test_an_order_that_waits_for_the_next_session_fails_when_its_engine_closes() -> None:
    """Its caller was not cancelled, and its memory must come back."""
    agent = RolledAgent()
    session = await session_of(agent)
    agent.answers_open = False
    agent.roll(NEXT)
    waiting = asyncio.create_task(session.order("put", {}))
    await eventually(lambda: len(agent.opened) == 2, "the next session is being opened")
    assert not await session.end()
    assert (await waiting).failure.code == "closed"


async def test_a_session_whose_engine_closes_before_it_is_set_up_is_ended() -> None:
    agent = RolledAgent()
    session = await session_of(agent)
    agent.attaches = False
    agent.roll(NEXT)
    await eventually(lambda: len(agent.opened) == 2, "the next session is being set up")
    await session.end()
    await eventually(lambda: agent.ended == agent.opened[1:], "the next session is ended")


async def test_what_was_begun_before_is_told_so_also_without_patience() -> None:
    agent = RolledAgent()
    session = await session_of(agent)
    before = session.current
    agent.hand_over = True
    agent.last_words = KvferryError("unknown_session", "the next process answers", answered=True)
    assert (await session.order("put", {}, only=before, patience=0)).failure.code == "sender_lost"
    await session.end()
