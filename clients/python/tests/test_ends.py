"""How a request ended, when its event is lost and both agents are asked."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kvferry import Client, KvferryError
from kvferry.ends import RequestEnds, ask_end
from kvferry.waiting import now

EPOCH, NEXT = "a" * 16, "b" * 16


def row(end: str | None, epoch: str = EPOCH) -> dict[str, Any]:
    return {"request": "r", "epoch": epoch, **({} if end is None else {"end": end})}


class Closing:
    """A client that only says when it is closed."""

    def on_close(self, _closing: object) -> Any:
        return lambda: None


class Agents:
    """The client of a prefill agent `p`, whose process is `epoch`, and of a decode agent `d`."""

    tenant = "default"

    def __init__(self, sent: list[dict[str, Any]], received: list[dict[str, Any]] | None, epoch: str = EPOCH) -> None:
        """`received`: None when the decode agent does not answer."""
        self._sent = sent
        self._received = received
        self._epoch = epoch
        self.alone = True

    async def call(self, agent: str, _operation: str, _fields: object, **_: object) -> dict[str, Any]:
        if agent == "p":
            return {"epoch": self._epoch, "requests": self._sent}
        if self._received is None:
            raise KvferryError("no_responders", "away")
        return {"epoch": "d" * 16, "requests": self._received}

    async def sources(self, _agent: str, **_: object) -> dict[str, Any]:
        return {"epoch": self._epoch, "alone": self.alone, "batches": []}


async def asked(agents: Agents) -> str | None:
    end = await ask_end(cast(Client, agents), "r", EPOCH, sender="p", receiver="d")
    return None if end is None else end.end


async def test_the_end_that_the_decode_agent_has_recorded_counts() -> None:
    assert await asked(Agents([row("failed")], [row("ready")])) == "ready"
    assert await asked(Agents([row("failed")], [row("ready", NEXT)])) == "failed"
    assert await asked(Agents([row("cancelled")], None)) == "cancelled"
    with pytest.raises(KvferryError):
        await asked(Agents([row(None)], None))


async def test_a_request_of_a_process_that_is_gone_has_failed_unless_the_decode_agent_knows_it() -> None:
    assert await asked(Agents([], [], NEXT)) == "failed"
    assert await asked(Agents([], [row(None)], NEXT)) is None
    assert await asked(Agents([], [row("ready")], NEXT)) == "ready"


async def test_a_process_that_has_given_its_name_up_may_still_work() -> None:
    agents = Agents([], [], NEXT)
    agents.alone = False
    assert await asked(agents) is None


async def test_an_end_that_is_overdue_leaves_its_place_to_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvferry.ends._EXPECTED_MAX", 2)
    ends = RequestEnds(cast(Client, Closing()))
    first, second = ends.expect("a"), ends.expect("b")
    first.overdue_at, second.overdue_at = now() + 60, now()
    ends.expect("c")
    with pytest.raises(KvferryError) as full:
        ends.expect("d")
    assert full.value.code == "too_many_requests"
    assert set(ends._expected) == {"a", "c"}
