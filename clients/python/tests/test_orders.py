"""What becomes of an order that is given up, and of its number."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from kvferry import Client, KvferryError
from kvferry.orders import Order, OrderSession, SessionRef
from kvferry.protocol.constants import ErrorCode
from kvferry.waiting import now

from .conftest import eventually

SESSION = SessionRef("5" * 16, "e" * 16)


def silent(code: ErrorCode) -> KvferryError:
    """No agent has answered."""
    return KvferryError(code, "not answered")


def said(code: ErrorCode) -> KvferryError:
    """The agent has answered."""
    return KvferryError(code, "answered", answered=True)


class Agent:
    """Answers each attempt with the next one of its answers, and further ones with the last. Without any it is silent.
    `executed`: it has executed every order that a barrier asks for."""

    is_connected = True

    def __init__(self, *answers: KvferryError, executed: bool = False) -> None:
        self.numbers: list[int] = []
        self.before_attempt: dict[int, Callable[[], None]] = {}
        self.barriers: list[int] = []
        self._answers = list(answers)
        self._is_executed = executed

    async def call(self, _agent: str, _operation: str, fields: dict[str, Any], **_: object) -> dict[str, Any]:
        self.before_attempt.get(len(self.numbers), lambda: None)()
        self.numbers.append(fields["order"])
        if not self._answers:
            await asyncio.Event().wait()
        raise self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    async def barrier(self, _agent: str, *, order: int, **_: object) -> dict[str, Any]:
        self.barriers.append(order)
        return {"barred": [] if self._is_executed else list(range(order))}


def session_at(agent: Agent, lost: Callable[[OrderSession], None] = lambda _: None) -> OrderSession:
    return OrderSession(cast(Client, agent), "p", SESSION, timeout=1, on_lost=lost)


def order(patience: float) -> Order:
    return Order("put", {}, until=now() + patience, timeout=1)


async def test_an_order_whose_answer_the_agent_has_forgotten_is_lost() -> None:
    agent = Agent(silent("deadline_exceeded"), said("order_forgotten"), executed=True)
    outcome = await session_at(agent).send(order(0))
    assert outcome.doubt is not None
    assert await outcome.doubt == "lost"


async def test_an_executed_order_whose_copy_is_refused_as_forgotten_is_in_doubt() -> None:
    agent = Agent(silent("deadline_exceeded"), said("order_forgotten"), executed=True)
    outcome = await session_at(agent).send(order(60))
    assert (outcome.failure.code, agent.numbers) == ("order_forgotten", [0, 0])
    assert outcome.doubt is not None
    assert await outcome.doubt == "lost"


@pytest.mark.parametrize("code", ["unknown_receiver", "disconnected", "agent_draining"])
async def test_the_refusal_of_a_copy_is_that_of_its_order(code: ErrorCode) -> None:
    agent = Agent(silent("deadline_exceeded"), said(code), executed=True)
    outcome = await session_at(agent).send(order(60))
    assert (outcome.failure.code, outcome.doubt) == (code, None)
    await eventually(lambda: agent.barriers == [1], "its number is barred")


async def test_an_order_without_any_answer_that_was_not_executed_never_will_be() -> None:
    outcome = await session_at(Agent(silent("deadline_exceeded"))).send(order(0))
    assert outcome.doubt is not None
    assert await outcome.doubt == "never"


async def test_an_order_that_did_not_arrive_leaves_no_number_open() -> None:
    agent = Agent(silent("no_responders"))
    outcome = await session_at(agent).send(order(0))
    assert (outcome.failure.code, outcome.doubt) == ("no_responders", None)
    await eventually(lambda: agent.barriers == [1], "its number is barred")


@pytest.mark.parametrize("answers", [[], [silent("no_responders")]])
async def test_an_order_whose_caller_is_cancelled_leaves_no_number_open(answers: list[KvferryError]) -> None:
    """During an attempt, or between two."""
    agent = Agent(*answers)
    sending = asyncio.create_task(session_at(agent).send(order(60)))
    await eventually(lambda: agent.numbers, "the order was sent")
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await eventually(lambda: agent.barriers == [1], "its number is barred")


async def test_an_order_whose_number_is_barred_was_not_executed_before() -> None:
    agent = Agent(silent("deadline_exceeded"), said("order_barred"), silent("no_responders"))
    session = session_at(agent)
    agent.before_attempt[2] = session.lose
    outcome = await session.send(order(60))
    assert (agent.numbers, outcome.doubt) == ([0, 0, 1], None)


async def test_a_session_that_is_over_leaves_an_unanswered_order_lost() -> None:
    lost: list[OrderSession] = []
    agent = Agent(silent("deadline_exceeded"), said("unknown_session"))
    session = session_at(agent, lost.append)
    outcome = await session.send(order(60))
    assert (outcome.failure.code, lost) == ("sender_lost", [session])
    assert outcome.doubt is not None
    assert await outcome.doubt == "lost"


async def test_an_order_whose_connection_broke_may_be_executed() -> None:
    agent = Agent(silent("disconnected"), executed=True)
    agent.before_attempt[0] = lambda: setattr(agent, "is_connected", False)
    outcome = await session_at(agent).send(order(0))
    assert (outcome.failure.code, outcome.doubt is None) == ("disconnected", False)
