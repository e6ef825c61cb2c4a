"""Which memory an engine takes back when it asks its agent what it reads."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kvferry import Client, KvferryError, PrefillEngine, SourcePool
from kvferry.lendings import Lendings
from kvferry.orders import Outcome, SessionRef
from kvferry.put_stream import PutTarget
from kvferry.slots import Slots

OWN, EARLIER = SessionRef("1" * 16, "a" * 16), SessionRef("2" * 16, "b" * 16)


class Agent:
    """Its client. It reads the batches of `parts`, which it lists in several answers."""

    def __init__(self, epoch: str, *parts: list[int]) -> None:
        self.outages = 0
        self._epoch = epoch
        self._parts = parts or ([],)

    async def sources(self, _agent: str, *, after: dict[str, Any] | None = None, **_: object) -> dict[str, Any]:
        number = 0 if after is None else after["batch"] + 1
        rows = [{"request": "r", "batch": number, "positions": self._parts[number]}]
        more = {} if number + 1 == len(self._parts) else {"next": {"request": "r", "batch": number}}
        return {"epoch": self._epoch, "batches": rows, **more}


class Session:
    """The engine's session with its agent, which is `OWN`."""

    current = OWN

    async def order(self, *_: object, **__: object) -> Outcome:
        return Outcome(reply={})

    async def end(self) -> None:
        """Nothing to do."""


class Ends:
    async def close(self) -> None:
        """Nothing to do."""


class Lent:
    """An engine, and batches 0 and 1 of one chunk each that an agent has taken in a session."""

    def __init__(self, pool: SourcePool, agent: Agent, session: SessionRef) -> None:
        self.slots = Slots(pool.slots)
        lendings = Lendings(pool, self.slots.give)
        client = cast(Client, agent)
        target = PutTarget(client, "p", cast(Any, Session()), cast(Any, Ends()), lendings, patience=0, call_timeout=1)
        self.engine = PrefillEngine(client, "p", pool, target, self.slots)
        self._lendings, self._session = lendings, session

    async def take(self) -> None:
        for batch, chunk in enumerate(await self.engine.fill(["a", "b"])):
            self._lendings.lend("r", batch, [chunk])
            self._lendings.sending("r", batch, self._session)
            self._lendings.accepted("r", batch)

    @property
    def count(self) -> int:
        return self.slots.total - self.slots.free


async def lent(pool: SourcePool, agent: Agent, session: SessionRef = OWN) -> Lent:
    made = Lent(pool, agent, session)
    await made.take()
    return made


async def test_what_the_agent_lists_in_several_answers_stays_lent(pool: SourcePool) -> None:
    made = await lent(pool, Agent(OWN.epoch, [0], [0]))
    await made.engine._ask_for([OWN])
    assert made.count == 2
    made = await lent(pool, Agent(OWN.epoch, [], [0]))
    await made.engine._ask_for([OWN])
    assert made.count == 1


async def test_another_process_does_not_say_what_an_earlier_one_reads(pool: SourcePool) -> None:
    made = await lent(pool, Agent(OWN.epoch, []), EARLIER)
    await made.engine._ask_for([EARLIER])
    assert made.count == 2


async def test_memory_that_an_earlier_process_may_read_is_an_error_at_the_end(
    pool: SourcePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvferry.prefill_engine._CLOSE_PATIENCE", 0.0)
    made = await lent(pool, Agent(OWN.epoch, []), EARLIER)
    with pytest.raises(KvferryError, match=f"with epoch {EARLIER.epoch} may still read chunks") as read:
        await made.engine.close()
    assert read.value.code == "segment_in_use"


async def test_an_engine_that_waits_for_slots_asks_what_its_agent_reads(pool: SourcePool) -> None:
    made = await lent(pool, Agent(OWN.epoch, []))
    beat = {"epoch": OWN.epoch, "leaving": False, "draining": False, "alone": True}
    with pytest.raises(KvferryError) as full:
        await made.engine.fill([str(number) for number in range(pool.slots)], timeout=0)
    assert full.value.code == "deadline_exceeded"
    made.engine._heard(cast(Any, beat))
    await made.engine.fill([str(number) for number in range(pool.slots)], timeout=30)
    assert made.count == pool.slots
