"""What the connector decides in vLLM's scheduler."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from kvferry.vllm.config import EngineFacts, read_config
from kvferry.vllm.consuming import name_policy
from kvferry.vllm.dialect import Remote, answer, early_receivers, read_remote
from kvferry.vllm.keys import chunk_keys
from kvferry.vllm.metadata import Cancel, StepOrders, WorkerReport
from kvferry.vllm.scheduler_side import SchedulerSide

from .engines import CHUNK_TOKENS, FakeRequest, ask, layout, prompt, scheduled

TEXT = layout().text


def side(role: str = "both", ranks: int = 1, **extra: Any) -> SchedulerSide:
    engine = EngineFacts(model="m", revision=None, block_tokens=4, ranks=ranks)
    config = read_config({"agent": "own-{rank}", "chunk_tokens": CHUNK_TOKENS, **extra}, engine)
    known = layout(ranks=ranks)
    return SchedulerSide(config, known, is_producer=role != "consumer", is_consumer=role != "producer")


def remote(**changed: Any) -> Remote:
    known: dict[str, Any] = {
        "agents": ("prefill-0",),
        "request": "vllm-1",
        "epoch": "e" * 16,
        "tokens": 24,
        "chunk_tokens": CHUNK_TOKENS,
        "layout": TEXT,
        "is_routed": False,
    }
    return Remote(**{**known, **changed})


def started(scheduler: SchedulerSide, request: FakeRequest, blocks: list[int], tokens: int) -> StepOrders:
    scheduler.allocated(request, blocks, 0)
    return scheduler.step(scheduled(new=[(request.request_id, blocks, 0, tokens)]))


def test_each_step_saves_the_chunks_that_it_completes() -> None:
    scheduler, request = side("producer"), prompt("a", 30, ask())
    first = started(scheduler, request, [1, 2, 3], 11).saves
    second = scheduler.step(scheduled(cached=[("a", [4, 5, 6, 7, 8], 11, 19)])).saves
    assert [(save.first, save.blocks, len(save.keys)) for save in [*first, *second]] == [
        (0, [[1, 2]], 3),
        (1, [[3, 4], [5, 6]], 0),
    ]
    assert scheduler.step(scheduled(cached=[("a", [9], 30, 1)])).saves == []
    request.status.name = "FINISHED_LENGTH_CAPPED"
    params = scheduler.finished(request)
    assert params == answer(
        remote(agents=("own-0",), request=first[0].request, epoch=None, tokens=24, layout=layout().text)
    )
    assert scheduler.step(scheduled()) == StepOrders()


def test_a_preempted_prompt_goes_on_in_its_new_blocks() -> None:
    scheduler, request = side("producer"), prompt("a", 24, ask())
    started(scheduler, request, [1, 2], 8)
    resumed = scheduler.step(scheduled(cached=[("a", [7, 8, 9, 10], 0, 16)], resumed=["a"])).saves
    assert [(save.first, save.blocks) for save in resumed] == [(1, [[9, 10]])]


def test_a_preempted_prompt_that_gets_blocks_again_is_the_same_request() -> None:
    scheduler, request = side("producer"), prompt("a", 24, ask())
    first = started(scheduler, request, [1, 2], 8).saves
    scheduler.allocated(request, [7, 8, 9, 10, 11, 12], 0)
    resumed = scheduler.step(scheduled(cached=[("a", [7, 8, 9, 10, 11, 12], 8, 16)], resumed=["a"])).saves
    assert [(save.request, save.first) for save in resumed] == [(first[0].request, 1)]


def test_a_prompt_that_ends_before_its_last_chunk_is_cancelled() -> None:
    scheduler, request = side("producer"), prompt("a", 24, ask())
    saves = started(scheduler, request, [1, 2], 8).saves
    request.status.name = "FINISHED_STOPPED"
    assert scheduler.finished(request) is None
    assert scheduler.step(scheduled()).cancels == [Cancel(saves[0].request, None)]


def test_a_step_without_new_blocks_can_complete_a_chunk() -> None:
    scheduler, request = side("producer"), prompt("a", 8, ask())
    assert started(scheduler, request, [1, 2], 6).saves == []
    assert len(scheduler.step(scheduled(cached=[("a", None, 6, 2)])).saves) == 1


def test_two_prompts_of_one_id_have_two_ids_of_kvferry() -> None:
    scheduler = side("producer")
    ids = []
    for _ in range(2):
        request = prompt("a" * 200, 8, ask())
        ids.append(started(scheduler, request, [1, 2], 8).saves[0].request)
        scheduler.finished(request)
    assert len(set(ids)) == 2
    assert all(len(one) <= 128 for one in ids)


@pytest.mark.parametrize("params", [None, {}, {"do_remote_decode": False}])
def test_a_prompt_that_no_decode_server_wants_is_not_saved(params: dict[str, Any] | None) -> None:
    scheduler, request = side("producer"), prompt("a", 24, params)
    assert started(scheduler, request, [1, 2, 3, 4, 5, 6], 24).saves == []
    assert scheduler.finished(request) is None


@pytest.mark.parametrize("receiver", [None, "decode-7"])
def test_an_aborted_prompt_is_cancelled(receiver: str | None) -> None:
    scheduler, request = side("producer"), prompt("a", 24, ask(receiver))
    saves = started(scheduler, request, [1, 2], 8).saves
    request.status.name = "FINISHED_ABORTED"
    assert scheduler.finished(request) is None
    receivers = None if receiver is None else (receiver,)
    assert scheduler.step(scheduled()).cancels == [Cancel(saves[0].request, receivers)]


def test_tokens_of_the_answer_are_not_saved() -> None:
    scheduler, request = side("producer"), prompt("a", 16, ask())
    assert len(started(scheduler, request, [1, 2, 3, 4], 16).saves) == 1
    assert scheduler.step(scheduled(cached=[("a", [5, 6], 16, 8)])).saves == []
    request.status.name = "FINISHED_STOPPED"
    params = scheduler.finished(request)
    assert params is not None
    assert params["kvferry"]["tokens"] == 16


@pytest.mark.parametrize("offered", [(2, 1), (1, 2)])
def test_a_prompt_has_the_chunks_that_every_rank_offers(offered: tuple[int, int]) -> None:
    first, second = (WorkerReport(None, {"r": chunks}) for chunks in offered)
    assert first.aggregate(second) == WorkerReport(None, {"r": 1})


def test_a_prompt_that_was_put_in_part_says_how_many_tokens_there_are() -> None:
    scheduler, request = side("producer"), prompt("a", 24, ask())
    saves = started(scheduler, request, [1, 2, 3, 4, 5, 6], 24).saves
    one = WorkerReport("e" * 16, {saves[0].request: 2})
    scheduler.reported(one.aggregate(WorkerReport(None, {saves[0].request: 1})))
    scheduler.reported(WorkerReport(None, {"unknown": 3}))
    request.status.name = "FINISHED_STOPPED"
    params = scheduler.finished(request)
    assert params is not None
    assert (params["kvferry"]["tokens"], params["kvferry"]["epoch"]) == (8, "e" * 16)


def test_a_report_about_a_prompt_that_has_ended_is_not_kept() -> None:
    scheduler, request = side("producer"), prompt("a", 8, ask())
    saves = started(scheduler, request, [1, 2], 8).saves
    scheduler.reported(WorkerReport(None, {saves[0].request: 1}))
    scheduler.finished(request)
    scheduler.reported(WorkerReport(None, {saves[0].request: 0}))
    producing = scheduler._producing
    assert producing is not None
    assert producing._offered == {}


def test_a_prompt_that_was_not_put_gives_the_router_nothing() -> None:
    scheduler, request = side("producer"), prompt("a", 8, ask())
    saves = started(scheduler, request, [1, 2], 8).saves
    scheduler.reported(WorkerReport(None, {saves[0].request: 0}))
    request.status.name = "FINISHED_STOPPED"
    assert scheduler.finished(request) is None


def test_the_trace_of_a_prompt_goes_with_its_chunks() -> None:
    headers = {"traceparent": "00-1-2-01", "authorization": "secret"}
    scheduler, request = side(), prompt("a", 8, ask())
    request.trace_headers = headers
    assert started(scheduler, request, [1, 2], 8).saves[0].trace == {"traceparent": "00-1-2-01"}
    fetched = prompt("b", 8, answer(remote(tokens=8)))
    fetched.trace_headers = headers
    scheduler.matched(fetched, 0)
    scheduler.allocated(fetched, [3, 4], 8)
    assert scheduler.step(scheduled()).loads[0].trace == {"traceparent": "00-1-2-01"}


def test_a_router_that_knows_the_decode_server_names_it() -> None:
    scheduler, request = side("producer"), prompt("a", 8, ask("decode-7"))
    assert started(scheduler, request, [1, 2], 8).saves[0].receivers == ("decode-7",)
    request.status.name = "FINISHED_STOPPED"
    params = scheduler.finished(request)
    assert params is not None
    assert params["kvferry"]["routed"] is True
    assert early_receivers({"kvferry_receiver": ["d-0", "d-1"]}, 2) == ("d-0", "d-1")
    with pytest.raises(ValueError, match="must name 2 decode agents"):
        early_receivers({"kvferry_receiver": "d-0"}, 2)
    refused = prompt("b", 8, ask("x") | {"kvferry_receiver": 7})
    assert started(scheduler, refused, [3, 4], 8).saves == []


def test_a_decode_server_fetches_what_is_not_here() -> None:
    scheduler, request = side("consumer"), prompt("a", 30, answer(remote()))
    assert scheduler.matched(request, 0) == (24, True)
    assert scheduler.matched(request, 12) == (12, True)
    blocks = list(range(10, 16))
    scheduler.allocated(request, blocks, 12)
    loads = scheduler.step(scheduled()).loads
    keys = chunk_keys(request, layout())
    assert [(load.request_id, load.remote, load.keys, load.blocks, load.problem) for load in loads] == [
        ("a", remote(), keys[1:], [[None, 13], [14, 15]], None)
    ]
    assert loads[0].targets == {13, 14, 15}
    # After the load, vLLM asks again when it has to compute the prompt after all.
    assert scheduler.matched(request, 0) == (0, False)
    scheduler.allocated(request, blocks, 0)
    scheduler.finished(request)
    assert scheduler.step(scheduled()) == StepOrders()


def test_what_is_here_is_counted_again_each_time_that_vllm_asks() -> None:
    """Between two questions another prompt may have taken blocks of the prefix cache."""
    scheduler, request = side("consumer"), prompt("a", 30, answer(remote()))
    assert scheduler.matched(request, 12) == (12, True)
    assert scheduler.matched(request, 4) == (20, True)
    scheduler.allocated(request, list(range(10, 16)), 20)
    load = scheduler.step(scheduled()).loads[0]
    assert (load.first, load.blocks) == (0, [[None, 11], [12, 13], [14, 15]])


def test_an_id_of_vllm_that_is_used_again_is_another_prompt() -> None:
    scheduler = side("consumer")
    for name in ("vllm-1", "vllm-2"):
        request = prompt("a", 24, answer(remote(request=name)))
        assert scheduler.matched(request, 0) == (24, True)
        scheduler.allocated(request, list(range(6)), 24)
        load = scheduler.step(scheduled()).loads[0]
        assert load.remote == remote(request=name)
        scheduler.finished(request)


def test_no_more_tokens_are_fetched_than_the_prompt_has_in_chunks() -> None:
    scheduler, request = side("consumer"), prompt("a", 30, answer(remote(tokens=80)))
    assert scheduler.matched(request, 0) == (24, True)
    scheduler.allocated(request, list(range(10, 16)), 24)
    assert scheduler.step(scheduled()).loads[0].keys == chunk_keys(request, layout())


def test_a_prompt_that_is_here_is_given_back() -> None:
    scheduler, request = side("consumer"), prompt("a", 30, answer(remote()))
    assert scheduler.matched(request, 28) == (0, False)
    scheduler.allocated(request, [1, 2, 3, 4, 5, 6, 7], 0)
    assert scheduler.step(scheduled()).drops == [remote()]


def test_a_prompt_that_ends_before_it_is_scheduled_is_given_back() -> None:
    scheduler, request = side("consumer"), prompt("a", 30, answer(remote()))
    scheduler.finished(request)
    assert scheduler.step(scheduled()).drops == [remote()]


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        (answer(remote(layout=layout(dtype="bfloat16").text)), "dtype is bfloat16 there and float32 here"),
        (answer(remote(agents=("a", "b"))), "names 2 agents for 1 ranks"),
        ({"do_remote_prefill": True}, "not those of a prefill server with kvferry"),
        ({"do_remote_prefill": True, "kvferry": {"agent": "a"}}, "request is None"),
        ({"do_remote_prefill": True, "kvferry": {"agent": 1}}, "agent is 1"),
        (answer(remote(tenant="team-b")), "is of tenant team-b, and this one of default: set one tenant on both"),
        ({"do_remote_prefill": True, "kvferry": {"agent": "a", "tenant": 7}}, "tenant is 7"),
        (answer(remote(tokens=-8)), "tokens is -8"),
        (answer(remote(chunk_tokens=16)), "chunks of 16 tokens, and this one of 8"),
    ],
)
def test_parameters_that_do_not_fit_fail_the_load_before_a_byte_moves(params: dict[str, Any], problem: str) -> None:
    scheduler, request = side("consumer"), prompt("a", 17, params)
    # vLLM's policy decides what becomes of the prompt, so the failed load covers it.
    assert scheduler.matched(request, 0) == (16, True)
    scheduler.allocated(request, [1, 2, 3, 4], 16)
    load = scheduler.step(scheduled()).loads[0]
    assert problem in str(load.problem)
    assert load.targets == {1, 2, 3, 4}


def test_a_prompt_of_this_server_alone_is_not_fetched() -> None:
    scheduler, request = side("consumer"), prompt("a", 30, None)
    assert scheduler.matched(request, 0) == (0, False)
    scheduler.allocated(request, [1], 0)
    scheduler.finished(request)
    assert scheduler.step(scheduled()) == StepOrders()
    assert read_remote({"do_remote_prefill": False}) is None


def test_several_ranks_are_named_in_the_answer() -> None:
    scheduler, request = side("producer", ranks=2), prompt("a", 8, ask())
    started(scheduler, request, [1, 2], 8)
    request.status.name = "FINISHED_STOPPED"
    params = scheduler.finished(request)
    found = read_remote(params)
    assert found is not None
    assert (found.agents, found.layout) == (("own-0", "own-1"), layout(ranks=2).text)


def test_the_answer_names_the_tenant_of_the_prompt() -> None:
    scheduler, request = side("producer", tenant="team-a"), prompt("a", 8, ask())
    started(scheduler, request, [1, 2], 8)
    request.status.name = "FINISHED_STOPPED"
    found = read_remote(scheduler.finished(request))
    assert found is not None
    assert found.tenant == "team-a"
    without = answer(remote())
    del without["kvferry"]["tenant"]
    assert read_remote(without) == remote()


@pytest.mark.parametrize(
    ("role", "params", "needed"),
    [
        ("consumer", ask(), '"kv_role": "kv_producer" or "kv_both"'),
        ("producer", answer(remote()), '"kv_role": "kv_consumer" or "kv_both"'),
    ],
)
def test_a_server_of_the_other_role_says_once_why_nothing_is_moved(
    role: str, params: dict[str, Any], needed: str, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = side(role)
    for name in ("a", "b"):
        request = prompt(name, 24, params)
        assert scheduler.matched(request, 0) == (0, False)
        started(scheduler, request, [1, 2, 3, 4, 5, 6], 24)
    assert [needed in line for line in caplog.messages] == [True]
    assert caplog.messages[0].startswith("kvferry: nothing is moved")


@pytest.mark.parametrize("params", [None, {}, ask(), answer(remote())])
def test_a_server_of_both_roles_has_the_right_one(
    params: dict[str, Any] | None, caplog: pytest.LogCaptureFixture
) -> None:
    started(side(), prompt("a", 24, params), [1, 2, 3, 4, 5, 6], 24)
    assert caplog.messages == []


def test_a_prompt_of_less_than_a_chunk_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vllm.kvferry")
    scheduler = side("producer")
    for name in ("a", "b"):
        started(scheduler, prompt(name, CHUNK_TOKENS - 1, ask()), [1, 2], CHUNK_TOKENS - 1)
    assert len(caplog.messages) == 1
    assert f"less than a chunk ({CHUNK_TOKENS} tokens) are not moved: this one has {CHUNK_TOKENS - 1}" in caplog.text


def test_the_policy_that_ends_requests_with_an_error_is_named(caplog: pytest.LogCaptureFixture) -> None:
    name_policy("recompute")
    assert caplog.messages == []
    name_policy("fail")
    assert '"kv_load_failure_policy": "recompute"' in caplog.text
