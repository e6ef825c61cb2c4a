"""Which memory an engine takes back when it asks its agent what it reads."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from kvferry import Client, KvferryError, PrefillEngine, SourcePool
from kvferry.lendings import Lendings
from kvferry.orders import Outcome, SessionRef
from kvferry.put_stream import PutTarget
from kvferry.slots import Slots

from .conftest import eventually

OWN, EARLIER = SessionRef("1" * 16, "a" * 16), SessionRef("2" * 16, "b" * 16)


class Agent:
    """Its client. It reads the batches of `parts`, which it lists in several answers."""

    def __init__(self, epoch: str, *parts: list[int]) -> None:
        self.outages = 0
        self.asked = 0
        """How often it was asked."""
        self.fails = False
        """NATS fails while it is asked."""
        self.ends_session = True
        """It has the session that it is asked to end."""
        self.alone = True
        self.is_away = False
        self.second = epoch
        """The process that gives the answers after the first one."""
        self._epoch = epoch
        self._parts = parts or ([],)

    async def end(self, _agent: str, **_: object) -> dict[str, Any]:
        if not self.ends_session:
            raise KvferryError("unknown_session", "unknown", answered=True)
        return {"epoch": self._epoch, "chunksInUse": 0}

    async def sources(self, _agent: str, *, after: dict[str, Any] | None = None, **_: object) -> dict[str, Any]:
        if self.is_away:
            raise KvferryError("no_responders", "nobody there")
        self.asked += after is None
        self.outages += self.fails
        number = 0 if after is None else after["batch"] + 1
        if after is not None and self.second != self._epoch:
            return {"epoch": self.second, "alone": False, "batches": []}
        rows = [{"request": "r", "batch": number, "positions": self._parts[number]}]
        more = {} if number + 1 == len(self._parts) else {"next": {"request": "r", "batch": number}}
        return {"epoch": self._epoch, "alone": self.alone, "batches": rows, **more}


class Session:
    """The engine's session with its agent, which is `OWN`. `reads_nothing`: the agent answers so at its end."""

    def __init__(self) -> None:
        self.current: SessionRef | None = OWN
        self.latest: SessionRef | None = OWN
        self.reads_nothing = True
        self.ended = 0
        """How often it was ended."""

    async def order(self, *_: object, **__: object) -> Outcome:
        return Outcome(reply={})

    async def end(self) -> bool:
        self.current = None
        self.ended += 1
        return self.reads_nothing


class Ends:
    is_closed = False

    async def close(self) -> None:
        self.is_closed = True


class Lent:
    """An engine, and batches 0 and 1 of one chunk each that an agent has taken in a session."""

    def __init__(self, pool: SourcePool, agent: Agent, session: SessionRef) -> None:
        self.slots = Slots(pool.slots)
        self.seconds = 0.0
        self.own = Session()
        lendings = Lendings(pool, self.slots.give, lambda: agent.outages, lambda: self.seconds)
        client, self.ends = cast(Client, agent), Ends()
        target = PutTarget(client, "p", cast(Any, self.own), cast(Any, self.ends), lendings, patience=0, call_timeout=1)
        self.engine = PrefillEngine(client, "p", pool, target, self.slots)
        self._lendings, self._session = lendings, session

    async def take(self) -> None:
        for batch, chunk in enumerate(await self.engine.fill(["a", "b"])):
            self._lendings.lend("r", batch, [chunk])
            self._lendings.sending("r", batch, self._session)
            self._lendings.accepted("r", batch)

    async def pending(self) -> None:
        """A put without an answer."""
        self._lendings.lend("pending", 0, await self.engine.fill(["c"]))
        self._lendings.sending("pending", 0, self._session)

    def refused(self) -> None:
        """The answer to that put."""
        self._lendings.refused("pending", 0)

    def doubtful(self) -> None:
        """The puts were given up instead."""
        for batch in (0, 1):
            self._lendings.doubtful("r", batch)

    async def heard(self, leaving: bool = False) -> None:
        """A heartbeat of the agent, and what the engine asks then."""
        beat = {"epoch": OWN.epoch, "leaving": leaving, "draining": leaving, "alone": True}
        self.engine._heard(cast(Any, beat))
        await eventually(lambda: not self.engine._is_asking, "the agent has answered")

    @property
    def count(self) -> int:
        return self.slots.total - self.slots.free


async def lent(pool: SourcePool, agent: Agent, session: SessionRef = OWN) -> Lent:
    made = Lent(pool, agent, session)
    await made.take()
    return made


def away() -> Agent:
    """No process answers its questions."""
    agent = Agent(OWN.epoch, [])
    agent.is_away = True
    return agent


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closing engine does not wait for an agent that reads."""
    monkeypatch.setattr("kvferry.prefill_engine._CLOSE_PATIENCE", 0.0)


async def test_what_the_agent_lists_in_several_answers_stays_lent(pool: SourcePool) -> None:
    made = await lent(pool, Agent(OWN.epoch, [0], [0]))
    await made.engine._ask_for([OWN])
    assert made.count == 2
    made = await lent(pool, Agent(OWN.epoch, [], [0]))
    await made.engine._ask_for([OWN])
    assert made.count == 1


async def test_an_answer_of_which_another_process_gives_the_end_says_nothing(pool: SourcePool) -> None:
    agent = Agent(OWN.epoch, [], [])
    agent.second = EARLIER.epoch
    made = await lent(pool, agent)
    await made.engine._ask_for([OWN])
    assert made.count == 2


async def test_another_process_does_not_say_what_an_earlier_one_reads(pool: SourcePool) -> None:
    made = await lent(pool, Agent(OWN.epoch, []), EARLIER)
    await made.engine._ask_for([EARLIER])
    assert made.count == 2


@pytest.mark.usefixtures("no_patience")
async def test_memory_that_an_earlier_process_may_read_is_an_error_at_the_end(pool: SourcePool) -> None:
    agent = Agent(OWN.epoch, [])
    agent.alone = False
    made = await lent(pool, agent, EARLIER)
    with pytest.raises(KvferryError, match=f"with epoch {EARLIER.epoch} may still read chunks") as read:
        await made.engine.close()
    assert (read.value.code, made.count) == ("segment_in_use", 2)
    agent.alone = True
    await made.engine.close()
    assert made.count == 0


async def test_an_engine_that_waits_for_slots_asks_what_its_agent_reads(pool: SourcePool) -> None:
    made = await lent(pool, Agent(OWN.epoch, []))
    with pytest.raises(KvferryError) as full:
        await made.engine.fill([str(number) for number in range(pool.slots)], timeout=0)
    assert full.value.code == "deadline_exceeded"
    await made.heard()
    await made.engine.fill([str(number) for number in range(pool.slots)], timeout=30)
    assert made.count == pool.slots


async def test_a_release_is_lost_and_the_agent_is_asked_about_what_is_lent_for_five_seconds(pool: SourcePool) -> None:
    agent = Agent(OWN.epoch, [], [])
    made = await lent(pool, agent)
    made.seconds = 4.9
    await made.heard()
    assert (agent.asked, made.count) == (0, 2)
    made.seconds = 5.0
    await made.heard()
    assert (agent.asked, made.count) == (1, 0)


async def test_an_agent_that_still_reads_is_asked_every_five_seconds(pool: SourcePool) -> None:
    agent = Agent(OWN.epoch, [0], [])
    made = await lent(pool, agent)
    for beat in range(24):
        made.seconds = beat / 2
        await made.heard()
    assert (agent.asked, made.count) == (2, 1)


async def test_an_agent_is_asked_again_when_nats_fails_during_the_question(pool: SourcePool) -> None:
    agent = Agent(OWN.epoch, [0], [0])
    made = await lent(pool, agent)
    agent.outages, agent.fails = 1, True
    await made.heard()
    agent.fails = False
    await made.heard()
    await made.heard()
    assert agent.asked == 2


async def test_memory_comes_back_at_the_end_although_its_releases_were_lost(pool: SourcePool) -> None:
    made = await lent(pool, Agent(OWN.epoch, [0], [0]))
    await made.engine.close()
    assert made.count == 0


@pytest.mark.parametrize("current", [OWN, None])
@pytest.mark.usefixtures("no_patience")
async def test_memory_for_which_no_process_answers_is_an_error_at_the_end(
    pool: SourcePool, current: SessionRef | None
) -> None:
    made = await lent(pool, away())
    made.own.current, made.own.reads_nothing = current, False
    with pytest.raises(KvferryError, match="may still read chunks") as read:
        await made.engine.close()
    assert (read.value.code, made.count) == ("segment_in_use", 2)


async def test_slots_come_back_from_a_put_that_cannot_begin(pool: SourcePool) -> None:
    made = Lent(pool, Agent(OWN.epoch), OWN)
    chunks = await made.engine.fill(["a", "b"])
    with pytest.raises(KvferryError) as wrong:
        await made.engine.put("r", "d", chunks, timeout=0)
    assert (wrong.value.code, made.count) == ("invalid_field", 0)


@pytest.mark.usefixtures("no_patience")
async def test_a_close_that_failed_checks_again_until_no_process_reads(pool: SourcePool) -> None:
    made = await lent(pool, away())
    made.own.reads_nothing = False
    for _ in range(2):
        with pytest.raises(KvferryError, match="may still read chunks"):
            await made.engine.close()
    assert not made.ends.is_closed
    made.own.reads_nothing = True
    for _ in range(2):
        await made.engine.close()
    assert (made.count, made.own.ended, made.ends.is_closed) == (0, 3, True)


@pytest.mark.usefixtures("no_patience")
async def test_a_close_that_failed_hears_that_an_earlier_process_is_gone(pool: SourcePool) -> None:
    made = await lent(pool, away(), EARLIER)
    with pytest.raises(KvferryError, match=f"with epoch {EARLIER.epoch} may still read chunks"):
        await made.engine.close()
    await made.heard()
    await made.engine.close()
    assert made.count == 0


async def test_a_put_that_waits_for_its_receiver_fails_before_memory_is_in_use_at_the_end(pool: SourcePool) -> None:
    made = await lent(pool, Agent(OWN.epoch, []))
    await made.pending()
    asyncio.get_running_loop().call_later(0.1, made.refused)
    await made.engine.close()
    assert made.count == 0


@pytest.mark.parametrize(
    ("epoch", "ends_session", "alone", "left"),
    [
        (EARLIER.epoch, True, False, 0),
        (EARLIER.epoch, False, True, 0),
        (EARLIER.epoch, False, False, 2),
        (OWN.epoch, True, True, 2),
        (OWN.epoch, False, True, 2),
    ],
)
async def test_doubtful_memory_of_a_session_that_was_left_comes_back_when_its_process_says_that_it_is_over(
    pool: SourcePool, epoch: str, ends_session: bool, alone: bool, left: int
) -> None:
    """Otherwise an order that waits there may still be executed."""
    agent = Agent(epoch, [], [])
    agent.ends_session, agent.alone = ends_session, alone
    made = await lent(pool, agent, EARLIER)
    made.doubtful()
    await made.engine._ask_for([EARLIER])
    assert made.count == left


async def test_doubtful_memory_comes_back_when_its_process_leaves(pool: SourcePool) -> None:
    made = await lent(pool, Agent(OWN.epoch))
    made.doubtful()
    await made.heard(leaving=True)
    assert made.count == 0


async def test_doubtful_memory_of_a_process_that_is_gone_comes_back_at_the_end(pool: SourcePool) -> None:
    made = await lent(pool, Agent(OWN.epoch), EARLIER)
    made.doubtful()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kvferry.prefill_engine._CLOSE_PATIENCE", 0.0)
        await made.engine.close()
    assert made.count == 0


async def test_doubtful_memory_that_the_agent_reads_is_taken_and_comes_back_by_its_releases(pool: SourcePool) -> None:
    made = await lent(pool, Agent(EARLIER.epoch, [0], [0]), EARLIER)
    made.doubtful()
    await made.engine._ask_for([EARLIER])
    assert made.count == 2
    for batch in (0, 1):
        event = {"request": "r", "epoch": EARLIER.epoch, "batch": batch, "positions": [0]}
        made._lendings.released(cast(Any, event))
    assert (made.count, made._lendings.sessions()) == (0, set())


async def test_an_agent_is_asked_at_once_about_a_session_that_was_left(pool: SourcePool) -> None:
    agent = Agent(OWN.epoch, [0], [])
    made = await lent(pool, agent, SessionRef("3" * 16, OWN.epoch))
    await made.heard()
    assert (agent.asked, made.count) == (1, 1)
