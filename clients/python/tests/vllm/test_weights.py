"""Prompts that are computed with other weights than earlier ones: vLLM has loaded others, or another adapter."""

from __future__ import annotations

from typing import Any

import pytest

from kvferry.vllm.dialect import answer, read_remote
from kvferry.vllm.metadata import Cancel, StepOrders, WorkerReport
from kvferry.vllm.scheduler_side import SchedulerSide

from .engines import FakeLora, FakeRequest, ask, eventually, expected, prompt, scheduled
from .servers import Servers
from .test_scheduler_side import remote, side, started


def finished(scheduler: SchedulerSide, request: FakeRequest) -> dict[str, Any]:
    request.status.name = "FINISHED_LENGTH_CAPPED"
    params = scheduler.finished(request)
    assert params is not None
    return params


def loaded_keys(request: FakeRequest) -> list[str]:
    """Those that a decode server loads of a prompt of two chunks."""
    scheduler = side("consumer")
    scheduler.allocated(request, [1, 2, 3, 4], scheduler.matched(request, 0)[0])
    return scheduler.step(scheduled()).loads[0].keys


def test_a_prompt_has_other_keys_when_the_weights_may_be_others() -> None:
    scheduler, blocks = side("producer"), [1, 2, 3, 4]
    found, params = [], []
    for number in range(3):
        request = prompt(f"a{number}", 16, ask())
        found.append(started(scheduler, request, blocks, 16).saves[0].keys)
        params.append(finished(scheduler, request))
        scheduler.forget()
    assert len({key for keys in found for key in keys}) == 6
    # The decode server takes over what the prefill server names.
    assert [loaded_keys(prompt("b", 16, one)) for one in params] == found


def test_a_prompt_that_is_being_computed_is_not_offered_when_the_weights_may_be_others() -> None:
    scheduler, request = side("producer"), prompt("a", 24, ask("decode-7"))
    saves = started(scheduler, request, [1, 2], 8).saves
    scheduler.reported(WorkerReport("e" * 16, {saves[0].request: 1}))
    scheduler.forget()
    orders = scheduler.step(scheduled(cached=[("a", [3, 4, 5, 6], 8, 16)]))
    assert (orders.saves, orders.cancels) == ([], [Cancel(saves[0].request, ("decode-7",))])
    assert (orders.forgets, scheduler.step(scheduled()).forgets) == (True, False)
    request.status.name = "FINISHED_STOPPED"
    assert scheduler.finished(request) is None


def test_a_prompt_that_begins_again_with_other_weights_is_put_from_its_first_chunk() -> None:
    scheduler, request = side("producer"), prompt("a", 16, ask())
    before = started(scheduler, request, [1, 2], 8).saves[0]
    scheduler.forget()
    scheduler.allocated(request, [7, 8, 9, 10], 0)
    again = scheduler.step(scheduled(cached=[("a", [7, 8, 9, 10], 0, 16)], resumed=["a"])).saves
    assert [(save.first, save.blocks) for save in again] == [(0, [[7, 8], [9, 10]])]
    assert not set(again[0].keys) & set(before.keys)
    assert again[0].request != before.request


def test_a_prompt_that_waits_while_the_weights_change_is_computed_here() -> None:
    scheduler, waiting, later = side("consumer"), *(prompt(name, 24, answer(remote())) for name in "ab")
    scheduler.arrived(waiting)
    scheduler.forget()
    assert scheduler.step(scheduled()).drops == [remote()]
    assert scheduler.matched(waiting, 0) == (0, False)
    scheduler.allocated(waiting, [1, 2, 3, 4, 5, 6], 0)
    scheduler.finished(waiting)
    assert scheduler.step(scheduled()) == StepOrders()
    assert scheduler.matched(later, 0) == (24, True)


def test_an_adapter_that_gets_the_name_of_another_one_has_other_keys() -> None:
    def put(path: str) -> tuple[list[str], dict[str, Any]]:
        scheduler, request = side("producer"), prompt("a", 16, ask())
        request.lora_request = FakeLora("adapter", path)
        return started(scheduler, request, [1, 2, 3, 4], 16).saves[0].keys, finished(scheduler, request)

    (first, params), (second, _), (again, _) = put("adapters/one"), put("adapters/two"), put("adapters/one")
    assert not set(first) & set(second)
    assert again == first
    # The decode server has it elsewhere.
    request = prompt("b", 16, params)
    request.lora_request = FakeLora("adapter", "elsewhere/one")
    assert loaded_keys(request) == first


def test_the_name_of_weights_must_be_a_text() -> None:
    params = answer(remote(weights="w"))
    assert read_remote(params) == remote(weights="w")
    params["kvferry"]["weights"] = 7
    with pytest.raises(ValueError, match="weights is 7"):
        read_remote(params)


def test_prompts_get_no_cache_of_earlier_weights(servers: Servers) -> None:
    """The decode agent has chunks of the same tokens, computed with the earlier weights."""
    prefill, decode = servers.prefill, servers.decode
    prefill.prefill(prompt("early", 24, ask("decode-0")), [24])
    eventually(lambda: servers.free_pages() == 13, "the chunks have arrived")
    for engine in (prefill, decode):
        engine.weights = "new"
        engine.scheduler.forget()
    request = prompt("b", 24, prefill.prefill(prompt("a", 24, ask()), [24]))
    assert decode.fetch(request) == set()
    assert decode.contents(request) == expected(request.prompt_token_ids or [], 6, "new")


def test_offers_of_earlier_weights_end_and_those_of_the_same_step_do_not(servers: Servers) -> None:
    prefill, decode, agent = servers.prefill, servers.decode, servers.cluster.agents["prefill-0"]
    old = prefill.prefill(prompt("old", 24, ask()), [24])
    eventually(lambda: len(agent.sending.unended()) == 1, "the prompt is offered")
    prefill.scheduler.forget()
    prefill.weights = "new"
    # The first step after it takes slots for another prompt, and gives up those of the old one.
    params = prefill.prefill(prompt("a", 24, ask(), seed=1), [24])
    request = prompt("b", 24, params, seed=1)
    assert decode.fetch(request) == set()
    assert decode.contents(request) == expected(request.prompt_token_ids or [], 6, "new")
    eventually(lambda: not agent.sending.unended(), "the old offer has ended")
    late = prompt("c", 24, old)
    assert decode.fetch(late) == set(decode.blocks["c"])
