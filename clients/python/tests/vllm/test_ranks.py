"""What the connector of one rank of several sends. Fake agents have no ranks, so the messages are read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kvferry import KvferryError, RequestEnd
from kvferry.vllm import arriving
from kvferry.vllm.arriving import Arriving
from kvferry.vllm.config import EngineFacts, read_config
from kvferry.vllm.dialect import Remote
from kvferry.vllm.link import Link
from kvferry.vllm.saving import Saves, ranks_of
from kvferry.vllm.worker_side import WorkerSide

from .engines import layout

REMOTE = Remote(("p-0", "p-1"), "vllm-1", None, 16, 8, "text", False)
MEMBERS = [{"sender": "p-0", "receiver": "d-0"}, {"sender": "p-1", "receiver": "d-1"}]


class Expected:
    def __init__(self) -> None:
        self.end: asyncio.Future[RequestEnd] = asyncio.get_running_loop().create_future()


class Ends:
    """The events that a test publishes."""

    def __init__(self) -> None:
        self.expected = Expected()

    def expect(self, request: str) -> Expected:
        return self.expected

    def forget(self, expected: Expected) -> None:
        """Nothing is kept."""


class RecordingClient:
    def __init__(self, answered: Callable[[], None]) -> None:
        self.routes: list[tuple[str, dict[str, Any]]] = []
        self._answered = answered

    async def status(self, agent: str, *, request: str, lists: list[str], timeout: float) -> dict[str, Any]:
        """The decode agent of rank 1 has its part."""
        return {"requests": [{"request": request, "epoch": "b" * 16, "end": "ready"}] if agent == "d-1" else []}

    async def route(
        self, agent: str, *, timeout: float, headers: dict[str, str] | None, **fields: Any
    ) -> dict[str, Any]:
        self.routes.append((agent, {**fields, "headers": headers}))
        self._answered()
        return {"epoch": "b" * 16}


class FakeLink:
    agent = "d-1"

    def __init__(self) -> None:
        self.ends = Ends()
        event: Any = {
            "ranks": [
                {"rank": 0, "sender": "p-0", "epoch": "a" * 16, "receiver": "d-0"},
                {"rank": 1, "sender": "p-1", "epoch": "b" * 16, "receiver": "d-1"},
            ]
        }
        end = RequestEnd("vllm-1", "a" * 16, "ready", None, event)
        self.client = RecordingClient(lambda: self.ends.expected.end.set_result(end))


async def test_each_rank_routes_its_part_and_acquires_under_its_epoch() -> None:
    config = read_config({"agent": "d-{rank}", "load_timeout": 5}, EngineFacts("m", None, 8, 2))
    link = FakeLink()
    epoch = await Arriving(cast("Link", link), config, 1).ready(REMOTE, 0, {"traceparent": "t"})
    assert epoch == "b" * 16
    ranks = {"rank": 1, "members": MEMBERS}
    fields = {"request": "vllm-1", "receiver": "d-1", "timeoutMs": 5000, "ranks": ranks}
    fields["headers"] = {"traceparent": "t"}
    assert link.client.routes == [("p-1", fields)]


async def test_chunks_that_this_server_has_do_not_travel() -> None:
    config = read_config({"agent": "d-{rank}", "load_timeout": 5}, EngineFacts("m", None, 8, 2))
    link = FakeLink()
    await Arriving(cast("Link", link), config, 1).ready(REMOTE, 3)
    assert [fields["skip"] for _, fields in link.client.routes] == [3]


async def test_a_rank_whose_event_came_too_early_asks_its_own_agent() -> None:
    config = read_config({"agent": "d-{rank}", "load_timeout": 5}, EngineFacts("m", None, 8, 2))
    link = FakeLink()
    routed = replace(REMOTE, is_routed=True)
    assert await Arriving(cast("Link", link), config, 1).ready(routed, 2) == "b" * 16
    assert link.client.routes == []


async def test_a_rank_whose_event_was_lost_asks_for_its_own_part_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents of ranks can record another end than the event had, so `ask_end` does not do."""
    monkeypatch.setattr("kvferry.vllm.arriving._ASK_SECONDS", 0.01)
    config = read_config({"agent": "d-{rank}", "load_timeout": 5}, EngineFacts("m", None, 8, 2))
    link = FakeLink()
    link.client = RecordingClient(lambda: None)
    assert await Arriving(cast("Link", link), config, 1).ready(REMOTE, 0) == "b" * 16
    assert len(link.client.routes) == 1


def test_all_ranks_name_the_same_members() -> None:
    assert ranks_of(0, ("p-0", "p-1"), ("d-0", "d-1")) == {"rank": 0, "members": MEMBERS}


@pytest.mark.parametrize("rank", [0, 1])
def test_each_rank_names_the_ranks_of_a_prompt_that_was_routed_early(rank: int) -> None:
    config = read_config({"agent": "p-{rank}"}, EngineFacts("m", None, 8, 2))
    own = cast(Saves, SimpleNamespace(_rank=rank, _config=config))
    assert Saves._ranks(own, cast(Any, SimpleNamespace(receivers=("d-0", "d-1")))) == {"rank": rank, "members": MEMBERS}
    assert Saves._ranks(own, cast(Any, SimpleNamespace(receivers=None))) is None


@pytest.mark.parametrize(("rank", "reported"), [(0, ["a" * 16, None]), (1, [None, None])])
def test_the_epoch_of_a_prompt_is_that_of_the_first_rank(rank: int, reported: list[str | None]) -> None:
    config = read_config({"agent": "p-{rank}"}, EngineFacts("m", None, 4, 2))
    worker = WorkerSide(config, layout(ranks=2), rank, prompt_tokens=64, is_producer=True, is_consumer=False)
    worker._saves = cast(Any, SimpleNamespace(take_offered=dict))
    worker._link = cast(Any, SimpleNamespace(epoch="a" * 16))
    reports = [worker.report() for _ in range(2)]
    assert [report and report.epoch for report in reports] == reported


async def test_a_prompt_that_an_agent_knows_again_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvferry.vllm.arriving._ASK_SECONDS", 0.0)
    config = read_config({"agent": "d-{rank}", "load_timeout": 5}, EngineFacts("m", None, 8, 2))
    answers: list[RequestEnd | bool] = [False, False, True, False, False, RequestEnd("vllm-1", "b" * 16, "ready")]
    waiting = Arriving(cast("Link", FakeLink()), config, 1)
    monkeypatch.setattr(waiting, "_asked", lambda *_: asyncio.sleep(0, answers.pop(0)))
    assert await waiting.ready(replace(REMOTE, is_routed=True), 0) == "b" * 16
    answers += [False, False, False]
    with pytest.raises(KvferryError) as lost:
        await waiting.ready(replace(REMOTE, is_routed=True), 0)
    assert (lost.value.code, answers) == ("unknown_request", [])


def test_an_agent_without_a_process_is_not_waited_for_as_long_as_a_silent_one() -> None:
    def patience(code: Any) -> float:
        return arriving._patience(KvferryError(code, "no answer"))

    assert patience("no_responders") == arriving._ABSENT_SECONDS < patience("deadline_exceeded")
    assert (patience("unknown_receiver") > 0, patience("request_ended")) == (True, 0)
