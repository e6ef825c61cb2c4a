"""Prompts between two engines with the connector, over fake agents."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import pytest

from kvferry import PrefillEngine, SourcePool

from .engines import BLOCK_TOKENS, WAIT_SECONDS, ask, eventually, expected, prompt, scheduled
from .servers import Servers


@pytest.mark.parametrize("receiver", [None, "decode-0"])
def test_a_decode_server_gets_the_cache_of_a_prompt(servers: Servers, receiver: str | None) -> None:
    prefill, decode = servers.prefill, servers.decode
    params = prefill.prefill(prompt("a", 30, ask(receiver)), [11, 19])
    request = prompt("b", 30, params)
    assert decode.fetch(request) == set()
    assert decode.contents(request) == expected(request.prompt_token_ids or [], 6)
    eventually(lambda: servers.free_pages() == 16, "the pages are free again")
    counts = decode.worker.counts()
    assert counts is not None
    assert (counts["chunks_loaded"], counts["loads_failed"]) == (3, 0)
    assert (prefill.worker.counts() or {})["chunks_put"] == 3


def test_two_prompts_with_the_same_parameters_are_both_loaded(servers: Servers) -> None:
    params = servers.prefill.prefill(prompt("a", 24, ask()), [24])
    decode, requests = servers.decode, [prompt("b", 24, params), prompt("c", 24, params)]
    for request in requests:
        decode.scheduler.matched(request, 0)
        decode.allocate(request, 24)
        decode.scheduler.allocated(request, decode.blocks[request.request_id], 24)
    waiting, until = {"b", "c"}, time.monotonic() + WAIT_SECONDS
    while waiting:
        waiting -= decode.run(scheduled())
        assert time.monotonic() < until
    assert decode.worker.failed_blocks() == set()
    assert [decode.contents(request) for request in requests] == [expected(requests[0].prompt_token_ids or [], 6)] * 2
    eventually(lambda: servers.free_pages() == 16, "the pages are free again")


def test_blocks_that_are_here_are_not_written(servers: Servers) -> None:
    params = servers.prefill.prefill(prompt("a", 24, ask()), [24])
    decode, request = servers.decode, prompt("b", 24, params)
    assert decode.fetch(request, local=12) == set()
    assert decode.contents(request)[3:] == expected(request.prompt_token_ids or [], 6)[3:]
    assert decode.contents(request)[:3] == [[bytes(BLOCK_TOKENS * 16)] * 3] * 3


def test_a_prompt_that_is_here_returns_its_source_memory(servers: Servers) -> None:
    prefill, decode = servers.engine("prefill-0", "producer", slots=3), servers.decode
    params = prefill.prefill(prompt("a", 24, ask()), [24])
    eventually(servers.has_prompt, "the agent has the prompt")
    request = prompt("b", 24, params)
    assert decode.fetch(request, local=24) == set()
    again = prompt("c", 24, ask(), seed=1)
    eventually(lambda: prefill.prefill(prompt("x", 24, ask(), seed=2), [24]), "slots are free again")
    assert again.kv_transfer_params is not None


@pytest.mark.parametrize("victim", ["prefill-0", "decode-0"])
def test_a_killed_agent_fails_its_loads_and_serves_after_its_restart(servers: Servers, victim: str) -> None:
    prefill, decode = servers.prefill, servers.decode
    params = prefill.prefill(prompt("a", 24, ask()), [24])
    servers.run(servers.cluster.kill(victim))
    request = prompt("b", 24, params)
    failed = decode.fetch(request)
    assert failed == set(decode.blocks["b"])
    servers.run(servers.cluster.start(victim, "prefill" if victim == "prefill-0" else "decode"))

    def works() -> bool:
        params = prefill.prefill(prompt("c", 24, ask(), seed=3), [24])
        if params is None:
            return False
        again = prompt("d", 24, params, seed=3)
        failed = decode.fetch(again)
        loaded = decode.contents(again)
        decode.end(again, "FINISHED_STOPPED")
        return not failed and loaded == expected(again.prompt_token_ids or [], 6)

    eventually(works, "prompts travel again")


def test_a_prefill_agent_that_is_away_gives_the_router_nothing_after_one_line(
    servers: Servers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "vllm.kvferry")
    prefill = servers.engine("prefill-0", "producer", slots=1)
    assert prefill.prefill(prompt("a", 8, ask()), [8]) is not None
    for number in range(3):
        # The one slot is in use, which the server knows after the first step.
        assert prefill.prefill(prompt(f"b{number}", 16, ask(), seed=number), [8, 8]) is None
    lines = [record for record in caplog.records if "put in part" in record.getMessage()]
    assert len(lines) == 1


def test_a_prompt_that_its_agent_refuses_gives_the_router_nothing(servers: Servers) -> None:
    prefill, request = servers.prefill, prompt("a", 16, ask("prefill-0"))
    blocks = prefill.allocate(request, 16)
    prefill.scheduler.allocated(request, blocks, 0)
    prefill.compute(request, 0, 16)
    prefill.run(scheduled(new=[("a", blocks, 0, 16)]))
    producing = prefill.scheduler._producing
    assert producing is not None
    eventually(lambda: prefill.run(scheduled()) or producing._offered, "the scheduler knows that nothing was put")
    assert prefill.end(request, "FINISHED_STOPPED") is None


def test_a_prompt_that_ends_while_it_is_computed_gives_the_router_nothing(servers: Servers) -> None:
    prefill, request = servers.prefill, prompt("a", 16, ask("decode-0"))
    prefill.scheduler.allocated(request, prefill.allocate(request, 16), 0)
    prefill.run(scheduled(new=[("a", prefill.blocks["a"], 0, 8)]))
    agent = servers.cluster.agents["prefill-0"]
    eventually(agent.sending.unended, "the agent has the first chunk")

    async def end() -> None:
        async with servers.cluster.client() as client:
            await client.cancel("prefill-0", request=agent.sending.unended()[0].request)

    servers.run(end())
    producing = prefill.scheduler._producing
    assert producing is not None
    eventually(lambda: prefill.run(scheduled()) or producing._offered, "the scheduler knows that nothing is put")
    prefill.run(scheduled(cached=[("a", [], 8, 8)]))
    assert prefill.end(request, "FINISHED_LENGTH_CAPPED") is None


def test_slots_come_back_from_a_prompt_that_cannot_begin(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    prefill = servers.engine("prefill-0", "producer", slots=3)
    with monkeypatch.context() as full:
        full.setattr("kvferry.ends._EXPECTED_MAX", 0)
        prefill.prefill(prompt("a", 24, ask()), [24])
    params = prefill.prefill(prompt("b", 24, ask(), seed=1), [24])
    assert params["kvferry"]["tokens"] == 24


def test_a_full_pool_puts_the_beginning_of_a_prompt(servers: Servers) -> None:
    prefill, decode = servers.engine("prefill-0", "producer", slots=2), servers.decode
    params = prefill.prefill(prompt("a", 32, ask()), [8, 24])
    assert params["kvferry"]["tokens"] == 16
    request = prompt("b", 32, params)
    assert decode.fetch(request) == set()
    assert decode.contents(request) == expected(request.prompt_token_ids or [], 4)


def test_chunks_that_did_not_come_are_reported_block_by_block(servers: Servers) -> None:
    prefill, decode = servers.engine("prefill-0", "producer", slots=2), servers.decode
    # A prompt of one step: the answer goes out before the scheduler knows that there was no room.
    params = prefill.prefill(prompt("a", 32, ask()), [32])
    params["kvferry"]["tokens"] = 32
    request = prompt("b", 32, params)
    assert decode.fetch(request) == set(decode.blocks["b"][4:])
    assert decode.contents(request)[:4] == expected(request.prompt_token_ids or [], 4)


def test_a_prompt_is_loaded_when_the_first_answer_of_the_prefill_agent_is_lost(servers: Servers) -> None:
    params = servers.prefill.prefill(prompt("a", 24, ask()), [24])
    servers.cluster.lose_answer("prefill-0", "route")
    decode, request = servers.decode, prompt("b", 24, params)
    assert decode.fetch(request) == set()
    assert decode.contents(request) == expected(request.prompt_token_ids or [], 6)


def test_an_aborted_prefill_is_cancelled_and_fails_the_load(servers: Servers) -> None:
    prefill, decode = servers.prefill, servers.decode
    request = prompt("a", 24, ask())
    assert prefill.prefill(request, [8], status="FINISHED_ABORTED") is None
    agent = servers.cluster.agents["prefill-0"]
    eventually(lambda: not agent.sending.unended(), "the offer is cancelled")
    assert decode.scheduler.matched(prompt("b", 24, None), 0) == (0, False)


@pytest.mark.parametrize("has_arrived", [True, False])
def test_an_aborted_prefill_holds_no_page_of_the_decode_agent(servers: Servers, has_arrived: bool) -> None:
    prefill, request = servers.prefill, prompt("a", 24, ask("decode-0"))

    async def hold() -> None:
        servers.cluster.may_move.clear()

    if not has_arrived:
        servers.run(hold())
    blocks = prefill.allocate(request, 24)
    prefill.scheduler.allocated(request, blocks, 0)
    prefill.compute(request, 0, 24)
    prefill.run(scheduled(new=[("a", blocks, 0, 24)]))
    agent = servers.cluster.agents["prefill-0"]
    if has_arrived:
        eventually(lambda: servers.free_pages() == 13 and not agent.sending.unended(), "the chunks have arrived")
    else:
        eventually(agent.sending.unended, "the agent has the prompt")
    assert prefill.end(request, "FINISHED_ABORTED") is None
    eventually(lambda: servers.free_pages() == 16 and not agent.sending.unended(), "the pages are free again")


def test_a_load_that_is_aborted_ends_and_writes_nothing(servers: Servers) -> None:
    prefill, decode = servers.prefill, servers.decode

    async def hold() -> None:
        servers.cluster.may_move.clear()

    async def go() -> None:
        servers.cluster.may_move.set()

    servers.run(hold())
    params = prefill.prefill(prompt("a", 24, ask()), [24])
    eventually(servers.has_prompt, "the agent has the prompt")
    request = prompt("b", 24, params)
    tokens, _ = decode.scheduler.matched(request, 0)
    decode.allocate(request, tokens)
    decode.scheduler.allocated(request, decode.blocks["b"], tokens)
    assert decode.run(scheduled()) == set()
    decode.scheduler.finished(request)
    decode.wait(request, ended=["b"])
    assert decode.worker.failed_blocks() == set()
    assert decode.contents(request) == [[bytes(BLOCK_TOKENS * 16)] * 3] * 6
    servers.run(go())
    eventually(lambda: servers.free_pages() == 16, "the pages are free again")


def test_a_load_that_is_aborted_before_it_began_ends_and_gives_back(servers: Servers) -> None:
    prefill, decode = servers.engine("prefill-0", "producer", slots=3), servers.decode
    params = prefill.prefill(prompt("a", 24, ask()), [24])
    eventually(servers.has_prompt, "the agent has the prompt")
    request, go = prompt("b", 24, params), threading.Event()
    tokens, _ = decode.scheduler.matched(request, 0)
    decode.allocate(request, tokens)
    decode.scheduler.allocated(request, decode.blocks["b"], tokens)

    async def stand_still() -> None:
        go.wait(WAIT_SECONDS)

    standing = servers.loop.submit(stand_still())
    decode.run(scheduled(), ended=["b"])
    go.set()
    standing.result(WAIT_SECONDS)
    decode.wait(request)
    agent = servers.cluster.agents["prefill-0"]
    eventually(lambda: not agent.sending.unended(), "the offer is cancelled")
    assert decode.worker.failed_blocks() == set()


def test_a_prompt_that_another_one_loads_is_not_cancelled(servers: Servers) -> None:
    async def hold() -> None:
        servers.cluster.may_move.clear()

    async def go() -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        servers.cluster.may_move.set()

    servers.run(hold())
    params = servers.prefill.prefill(prompt("a", 24, ask()), [24])
    decode, loading, here = servers.decode, prompt("b", 24, params), prompt("c", 24, params)
    tokens, _ = decode.scheduler.matched(loading, 0)
    decode.allocate(loading, tokens)
    decode.scheduler.allocated(loading, decode.blocks["b"], tokens)
    decode.run(scheduled())
    assert decode.fetch(here, local=24) == set()
    servers.run(go())
    decode.wait(loading)
    assert decode.worker.failed_blocks() == set()
    assert decode.contents(loading) == expected(loading.prompt_token_ids or [], 6)


def test_a_load_without_an_end_fails_in_time(servers: Servers) -> None:
    prefill, decode = servers.prefill, servers.engine("decode-0", "consumer", load_timeout=0.3)

    async def hold() -> None:
        servers.cluster.may_move.clear()

    servers.run(hold())
    params = prefill.prefill(prompt("a", 24, ask()), [24])
    request = prompt("b", 24, params)
    assert decode.fetch(request) == set(decode.blocks["b"])


def test_nats_away_fails_loads_and_prompts_travel_when_it_is_back(servers: Servers) -> None:
    prefill, decode = servers.prefill, servers.decode
    params = prefill.prefill(prompt("a", 24, ask()), [24])

    async def interrupt() -> None:
        servers.cluster.bus.interrupt()

    async def restore() -> None:
        servers.cluster.bus.restore()

    servers.run(interrupt())
    request = prompt("b", 24, params)
    assert decode.fetch(request) == set(decode.blocks["b"])
    servers.run(restore())
    params = prefill.prefill(prompt("c", 24, ask(), seed=1), [24])
    again = prompt("d", 24, params, seed=1)
    assert decode.fetch(again) == set()
    assert decode.contents(again) == expected(again.prompt_token_ids or [], 6)


def test_a_prompt_that_no_agent_knows_is_recomputed_soon(servers: Servers) -> None:
    params = servers.prefill.prefill(prompt("a", 24, ask("decode-0")), [24])
    params["kvferry"]["request"] = "vllm-unknown"
    decode, request = servers.decode, prompt("b", 24, params)
    assert decode.fetch(request) == set(decode.blocks["b"])


def test_a_prompt_that_is_put_too_late_holds_no_page(servers: Servers) -> None:
    params = servers.prefill.prefill(prompt("a", 24, ask()), [24])
    params["kvferry"] |= {"request": "vllm-late", "routed": True}
    decode, request = servers.decode, prompt("b", 24, params)

    async def put() -> None:
        with SourcePool.create("late", slot_bytes=servers.chunk_bytes, slots=1) as pool:
            client = servers.cluster.client()
            async with await PrefillEngine.open(client, "prefill-0", pool) as engine:
                stream = await engine.put("vllm-late", "decode-0", await engine.fill(["late"]), timeout=30)
                await stream.ready()
            await client.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kvferry.vllm.arriving._EARLY_SECONDS", 0.0)
        assert decode.fetch(request) == set(decode.blocks["b"])
        servers.run(put())
        eventually(lambda: servers.free_pages() == 16, "the pages are free again")


def test_a_prompt_that_its_agent_has_forgotten_holds_no_page(servers: Servers) -> None:
    params = servers.prefill.prefill(prompt("a", 24, ask("decode-0")), [24])
    eventually(lambda: servers.free_pages() < 16, "the chunks have arrived")
    servers.run(servers.cluster.kill("prefill-0"))
    decode, request = servers.decode, prompt("b", 24, params)
    decode.scheduler.matched(request, 0)
    decode.scheduler.finished(request)
    decode.run(scheduled())
    eventually(lambda: servers.free_pages() == 16, "the pages are free again")


def test_a_server_that_does_both_fetches_and_puts(servers: Servers) -> None:
    servers.run(servers.cluster.start("both-0", "both"))
    both, prefill = servers.engine("both-0", "both"), servers.prefill
    request = prompt("b", 24, prefill.prefill(prompt("a", 24, ask()), [24]))
    assert both.fetch(request) == set()
    params = both.prefill(prompt("c", 16, ask(), seed=4), [16])
    again = prompt("d", 16, params, seed=4)
    decode = servers.decode
    assert decode.fetch(again) == set()
    assert decode.contents(again) == expected(again.prompt_token_ids or [], 4)


@pytest.mark.parametrize(
    ("agent", "role", "problem"),
    [
        ("decode-0", "producer", "has role decode, and this vLLM needs --role prefill"),
        ("prefill-0", "consumer", "has role prefill, and this vLLM needs --role decode"),
    ],
)
def test_an_agent_of_another_role_is_one_line_and_no_failure(
    servers: Servers, caplog: pytest.LogCaptureFixture, agent: str, role: str, problem: str
) -> None:
    caplog.set_level(logging.WARNING, "vllm.kvferry")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kvferry.background_link.START_SECONDS", 0.1)
        engine = servers.engine(agent, role)
    assert problem in caplog.records[0].getMessage()
    if role == "consumer":
        request = prompt("b", 24, {"do_remote_prefill": True, "kvferry": {}})
        assert engine.fetch(request) == set(engine.blocks["b"])
    else:
        assert engine.prefill(prompt("a", 16, ask()), [8, 8]) is None


def test_an_agent_whose_pages_are_too_small_is_one_line_with_both_sizes(
    servers: Servers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "vllm.kvferry")
    servers.cluster.page_bytes = servers.chunk_bytes - 1
    servers.run(servers.cluster.start("decode-p", "decode"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kvferry.background_link.START_SECONDS", 0.1)
        servers.engine("decode-p", "consumer")
    problem = f"has pages of {servers.chunk_bytes - 1} bytes, and a chunk has {servers.chunk_bytes}: start it with"
    assert problem in caplog.records[0].getMessage()


def test_many_prompts_leave_nothing_behind(servers: Servers) -> None:
    prefill, decode = servers.prefill, servers.decode
    for number in range(30):
        params = prefill.prefill(prompt(f"a{number}", 40, ask(), seed=number % 7), [24, 16])
        request = prompt(f"b{number}", 40, params, seed=number % 7)
        assert decode.fetch(request) == set()
        assert decode.contents(request) == expected(request.prompt_token_ids or [], 40 // BLOCK_TOKENS)
        decode.end(request, "FINISHED_STOPPED")
    eventually(lambda: servers.free_pages() == 16, "the pages are free again")
    assert servers.cluster.agents["prefill-0"].sending.unended() == []
    counts = decode.worker.counts()
    assert counts is not None
    assert (counts["chunks_loaded"], counts["loads_failed"]) == (30 * 5, 0)
