"""Copies between vLLM's blocks and memory of kvferry: when they are made, and when what they read counts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from kvferry import PrefillEngine, SourcePool
from kvferry.vllm.keys import chunk_keys, rank_key
from kvferry.vllm.lanes import CudaLane, HostLane, lane_of

from .engines import LAYERS, WAIT_SECONDS, FakeCache, FakeEngine, ask, eventually, expected, prompt, scheduled
from .servers import Servers


class Stream(HostLane):
    """Copies that are ordered, and made when a caller waits for them, as on a device."""

    is_asynchronous = True

    def __init__(self) -> None:
        self._copies: list[Callable[[], None]] = []

    def order(self, copy: Callable[..., None]) -> Callable[..., None]:
        return lambda *place: self._copies.append(lambda: copy(*place))

    def wait(self) -> None:
        copies, self._copies = self._copies, []
        for copy in copies:
            copy()


def on_stream(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> FakeCache:
    stream, cache = Stream(), engine.cache
    monkeypatch.setattr(cache, "lane", stream, raising=False)
    for name in ("save", "load"):
        monkeypatch.setattr(cache, name, stream.order(getattr(cache, name)))
    return cache


def test_copies_that_go_on_behind_a_step_are_made_before_its_blocks_have_other_content(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefill, decode = servers.prefill, servers.decode
    saved: list[Sequence[str]] = []
    save = on_stream(prefill, monkeypatch).save

    def note_and_save(blocks: Sequence[int], memory: Any, start: int, layer_names: Sequence[str]) -> None:
        saved.append(layer_names)
        save(blocks, memory, start, layer_names)

    monkeypatch.setattr(prefill.cache, "save", note_and_save)
    on_stream(decode, monkeypatch)
    request = prompt("a", 16, ask())
    blocks = prefill.allocate(request, 16)
    prefill.scheduler.allocated(request, blocks, 0)
    prefill.compute(request, 0, 16)
    orders = prefill.scheduler.step(scheduled(new=[("a", blocks, 0, 16)]))
    prefill.worker.begin(orders)
    for name in LAYERS[:2]:
        prefill.worker.layer(orders, name)
    prefill.worker.finish(orders)
    # Each layer once, behind its computation, for both chunks.
    assert saved == [[LAYERS[0]]] * 2 + [[LAYERS[1]]] * 2 + [[LAYERS[2]]] * 2
    fetched = prompt("b", 16, prefill.end(request, "FINISHED_STOPPED"))
    assert decode.fetch(fetched) == set()
    assert decode.contents(fetched) == expected(fetched.prompt_token_ids or [], 4)


def test_a_prompt_whose_copies_began_before_earlier_ones_are_forgotten_is_put(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM orders loads, and what is given up, behind the computation of a step."""
    prefill, decode = servers.prefill, servers.decode
    on_stream(prefill, monkeypatch)
    prefill.scheduler.forget()
    request = prompt("a", 16, ask())
    blocks = prefill.allocate(request, 16)
    prefill.scheduler.allocated(request, blocks, 0)
    prefill.compute(request, 0, 16)
    orders = prefill.scheduler.step(scheduled(new=[("a", blocks, 0, 16)]))
    prefill.worker.layer(orders, LAYERS[0])
    prefill.worker.begin(orders)
    prefill.worker.finish(orders)
    fetched = prompt("b", 16, prefill.end(request, "FINISHED_STOPPED"))
    assert decode.fetch(fetched) == set()
    assert decode.contents(fetched) == expected(fetched.prompt_token_ids or [], 4)


def test_a_layer_that_shares_a_cache_is_not_copied(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    prefill = servers.prefill
    cache, request = on_stream(prefill, monkeypatch), prompt("a", 8, ask())
    saved: list[Sequence[str]] = []
    monkeypatch.setattr(cache, "save", lambda blocks, memory, start, names: saved.append(names))
    blocks = prefill.allocate(request, 8)
    prefill.scheduler.allocated(request, blocks, 0)
    orders = prefill.scheduler.step(scheduled(new=[("a", blocks, 0, 8)]))
    prefill.worker.layer(orders, "model.layers.99.attn")
    prefill.worker.finish(orders)
    assert saved == [list(LAYERS)]


def test_a_load_that_is_aborted_while_it_copies_ends_with_its_last_copy(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its blocks go to other prompts then."""
    params = servers.prefill.prefill(prompt("a", 24, ask()), [24])
    decode, request = servers.decode, prompt("b", 24, params)
    copying, go, load = threading.Event(), threading.Event(), decode.cache.load

    def wait_and_load(memory: Any, start: int, blocks: list[int | None]) -> None:
        copying.set()
        assert go.wait(WAIT_SECONDS)
        load(memory, start, blocks)

    monkeypatch.setattr(decode.cache, "load", wait_and_load)
    tokens, _ = decode.scheduler.matched(request, 0)
    decode.allocate(request, tokens)
    decode.scheduler.allocated(request, decode.blocks["b"], tokens)
    decode.run(scheduled())
    assert copying.wait(WAIT_SECONDS)
    decode.scheduler.finished(request)

    async def turns() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    assert decode.run(scheduled(), ended=["b"]) == set()
    servers.run(turns())
    assert decode.run(scheduled()) == set()
    go.set()
    decode.wait(request)
    assert decode.worker.failed_blocks() == set()


def test_a_load_whose_lease_is_over_before_its_last_copy_fails(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages may have had other bytes."""
    params = servers.prefill.prefill(prompt("a", 24, ask()), [24])
    decode, request, load = servers.decode, prompt("b", 24, params), FakeCache.load

    def load_for_ever(cache: FakeCache, memory: Any, start: int, blocks: list[int | None]) -> None:
        load(cache, memory, start, blocks)
        monkeypatch.setattr("kvferry.acquired.now", lambda: float("inf"))

    monkeypatch.setattr(FakeCache, "load", load_for_ever)
    assert decode.fetch(request) == set(decode.blocks["b"])


def test_a_chunk_of_another_length_is_not_loaded(servers: Servers) -> None:
    decode, request = servers.decode, prompt("b", 24, None)
    keys = [rank_key(key, 0, 1) for key in chunk_keys(request, decode.layout)]
    params = servers.prefill.prefill(prompt("a", 24, ask(), seed=1), [24])
    params["kvferry"] |= {"request": "vllm-short"}
    request.kv_transfer_params = params

    async def put() -> None:
        with SourcePool.create("short", slot_bytes=servers.chunk_bytes, slots=3) as pool:
            client = servers.cluster.client()
            async with await PrefillEngine.open(client, "prefill-0", pool) as engine:
                chunks = await engine.fill(keys, length=servers.chunk_bytes - 1)
                stream = await engine.put("vllm-short", "decode-0", chunks, timeout=30)
                await stream.ready()
            await client.close()

    servers.run(put())
    assert decode.fetch(request) == set(decode.blocks["b"])


def test_memory_that_cannot_be_registered_leaves_no_error_for_the_model() -> None:
    """CUDA keeps the error of a call for the next kernel of the thread."""
    pending: list[str] = []

    def register(*_: int) -> int:
        pending.append("not supported")
        return 801

    def zeros(*_: int, device: str) -> None:
        if pending:
            raise RuntimeError(pending.pop())

    cudart = SimpleNamespace(cudaHostRegister=register)
    lane = CudaLane.__new__(CudaLane)
    lane._torch = SimpleNamespace(cuda=SimpleNamespace(cudart=lambda: cudart), zeros=zeros)
    lane._device = "cuda:0"
    lane.pin(SimpleNamespace(data_ptr=lambda: 0, numel=lambda: 8), read_only=True)
    assert pending == []


def test_a_cache_on_another_kind_of_device_is_refused() -> None:
    assert isinstance(lane_of(SimpleNamespace(type="cpu")), HostLane)
    with pytest.raises(ValueError, match="on a device of type xpu"):
        lane_of(SimpleNamespace(type="xpu"))


def test_chunks_are_read_in_the_arena_of_the_process_that_holds_them(servers: Servers) -> None:
    prefill, decode = servers.prefill, servers.decode

    def is_loaded(name: str, seed: int) -> bool:
        """Whatever is loaded is right."""
        params = prefill.prefill(prompt(f"{name}-prefill", 24, ask(), seed=seed), [24])
        request = prompt(f"{name}-decode", 24, params, seed=seed)
        is_whole = params is not None and decode.fetch(request) == set()
        if is_whole:
            assert decode.contents(request) == expected(request.prompt_token_ids or [], 6)
        return is_whole

    assert is_loaded("a", 1)
    servers.run(servers.cluster.kill("decode-0"))
    servers.run(servers.cluster.start("decode-0", "decode"))
    names = iter(range(1000))
    eventually(lambda: is_loaded(f"b{next(names)}", 2), "prompts travel again")
