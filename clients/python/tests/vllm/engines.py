"""What vLLM does with the connector, without vLLM: a scheduler that hands out blocks, and a model whose cache depends
on all tokens before."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from kvferry.loop_thread import LoopThread
from kvferry.vllm.config import EngineFacts, read_config
from kvferry.vllm.engine_types import Request
from kvferry.vllm.lanes import HostLane
from kvferry.vllm.layout import KvLayout, ModelFacts, read_layout
from kvferry.vllm.link import Connect
from kvferry.vllm.metadata import StepOrders
from kvferry.vllm.scheduler_side import SchedulerSide
from kvferry.vllm.worker_side import WorkerSide

BLOCK_TOKENS = 4
CHUNK_TOKENS = 8
WIDTH = 16
LAYERS = ("model.layers.0.attn", "model.layers.10.attn", "model.layers.2.attn")
WAIT_SECONDS = 20


class FullAttentionSpec:
    """As vLLM's, which is recognized by its name."""

    def __init__(self, block_size: int = BLOCK_TOKENS, heads: int = 1, width: int = WIDTH) -> None:
        self.block_size = block_size
        self.num_kv_heads = heads
        self.page_size_bytes = block_size * heads * width


@dataclass
class FakeGroup:
    kv_cache_spec: Any = field(default_factory=FullAttentionSpec)
    layer_names: Sequence[str] = LAYERS


@dataclass
class FakeStatus:
    name: str = "RUNNING"


@dataclass
class FakeLora:
    lora_name: str
    lora_path: str = "adapters/one"


@dataclass
class FakeRequest:
    request_id: str
    prompt_token_ids: list[int] | None
    kv_transfer_params: dict[str, Any] | None = None
    prompt_embeds: object | None = None
    lora_request: FakeLora | None = None
    cache_salt: str | None = None
    mm_features: list[Any] = field(default_factory=list)
    status: FakeStatus = field(default_factory=FakeStatus)
    trace_headers: dict[str, str] | None = None


def facts(**changed: Any) -> ModelFacts:
    known: dict[str, Any] = {
        "model_id": "models/tiny",
        "revision": "main",
        "dtype": "float32",
        "cache_dtype": "float32",
        "backend": "FAKE",
        "form": "whole",
        "ranks": 1,
    }
    return ModelFacts(**{**known, **changed})


def layout(chunk_tokens: int = CHUNK_TOKENS, block_tokens: int = BLOCK_TOKENS, **changed: Any) -> KvLayout:
    return read_layout([FakeGroup(FullAttentionSpec(block_tokens))], facts(**changed), chunk_tokens)


def scheduled(new: Sequence[Any] = (), cached: Sequence[Any] = (), resumed: Sequence[str] = ()) -> Any:
    """`new` and `cached`: (request id, blocks, computed tokens, tokens of this step)."""
    return SimpleNamespace(
        scheduled_new_reqs=[
            SimpleNamespace(req_id=one[0], block_ids=(list(one[1]),), num_computed_tokens=one[2]) for one in new
        ],
        scheduled_cached_reqs=SimpleNamespace(
            req_ids=[one[0] for one in cached],
            resumed_req_ids=set(resumed),
            new_block_ids=[None if one[1] is None else (list(one[1]),) for one in cached],
            num_computed_tokens=[one[2] for one in cached],
        ),
        num_scheduled_tokens={one[0]: one[3] for one in [*new, *cached]},
    )


class FakeCache:
    """The blocks of all layers, and copies of whole blocks: a copier without torch."""

    layer_names = LAYERS
    lane = HostLane()

    def __init__(self, blocks: int = 256) -> None:
        self.block_bytes = BLOCK_TOKENS * WIDTH
        self.chunk_bytes = CHUNK_TOKENS * WIDTH * len(LAYERS)
        self.blocks = {name: [bytes(self.block_bytes)] * blocks for name in LAYERS}

    def memory_of(self, memory: memoryview) -> memoryview:
        return memory

    def save(self, blocks: Sequence[int], memory: Any, start: int, layer_names: Sequence[str]) -> None:
        for name in layer_names:
            for index, block in enumerate(blocks):
                at = self._place(start, name, index)
                memory[at : at + self.block_bytes] = self.blocks[name][block]

    def load(self, memory: Any, start: int, blocks: Sequence[int | None]) -> None:
        for name in LAYERS:
            for index, block in enumerate(blocks):
                if block is not None:
                    at = self._place(start, name, index)
                    self.blocks[name][block] = bytes(memory[at : at + self.block_bytes])

    def content(self, block: int) -> list[bytes]:
        return [self.blocks[name][block] for name in LAYERS]

    def _place(self, start: int, name: str, index: int) -> int:
        return start + (LAYERS.index(name) * CHUNK_TOKENS // BLOCK_TOKENS + index) * self.block_bytes


def computed(tokens: Sequence[int], number: int, weights: str = "") -> list[bytes]:
    """The cache of a block: it depends on every token before its end, and on the weights of the model."""
    seen = f"{weights}{list(tokens[: (number + 1) * BLOCK_TOKENS])}".encode()
    size = BLOCK_TOKENS * WIDTH
    return [hashlib.shake_128(name.encode() + seen).digest(size) for name in LAYERS]


class FakeEngine:
    """One vLLM server."""

    def __init__(
        self,
        agent: str,
        role: str,
        loop: LoopThread,
        connect: Connect | None,
        extra: Mapping[str, Any] | None = None,
        weights: str = "",
    ) -> None:
        """`connect`: None as in vLLM, by the settings."""
        engine = EngineFacts(model="models/tiny", revision=None, block_tokens=BLOCK_TOKENS, ranks=1)
        settings = {"agent": agent, "chunk_tokens": CHUNK_TOKENS, "segment": f"{agent}-{id(self):x}", **(extra or {})}
        config = read_config(settings, engine)
        roles = {"is_producer": role != "consumer", "is_consumer": role != "producer"}
        self.layout = layout()
        self.weights = weights
        self.cache = FakeCache()
        self.scheduler = SchedulerSide(config, self.layout, **roles)
        self.worker = WorkerSide(config, self.layout, 0, prompt_tokens=64, **roles)
        self.worker.start(self.cache, connect, loop)
        self._free = list(range(1, 256))
        self.blocks: dict[str, list[int]] = {}

    def allocate(self, request: Request, tokens: int) -> list[int]:
        """New blocks, so that the prompt has enough for so many tokens."""
        owned = self.blocks.setdefault(request.request_id, [])
        new = [self._free.pop(0) for _ in range(-(-tokens // BLOCK_TOKENS) - len(owned))]
        owned.extend(new)
        return new

    def free(self, request: Request) -> None:
        """The next prompt gets these blocks, in another order, with other content."""
        for block in self.blocks.pop(request.request_id):
            for name in LAYERS:
                self.cache.blocks[name][block] = b"\xee" * self.cache.block_bytes
            self._free.insert(0, block)

    def run(self, output: Any, ended: Sequence[str] = ()) -> set[str]:
        """One step. Returns the prompts whose loads are over."""
        orders: StepOrders = self.scheduler.step(output)
        self.worker.begin(orders)
        self.worker.finish(orders)
        loaded = self.worker.loaded(set(ended))
        report = self.worker.report()
        if report is not None:
            self.scheduler.reported(report)
        return loaded

    def compute(self, request: FakeRequest, start: int, end: int) -> None:
        """The model computes these tokens of the prompt, in blocks that are allocated."""
        tokens = request.prompt_token_ids or []
        for number in range(start // BLOCK_TOKENS, -(-end // BLOCK_TOKENS)):
            for name, content in zip(LAYERS, computed(tokens, number, self.weights), strict=True):
                self.cache.blocks[name][self.blocks[request.request_id][number]] = content

    def prefill(self, request: FakeRequest, steps: Sequence[int], status: str = "FINISHED_LENGTH_CAPPED") -> Any:
        """Computes a prompt in steps of so many tokens. Returns what the router gets."""
        done = 0
        for index, tokens in enumerate(steps):
            new = self.allocate(request, done + tokens)
            if index == 0:
                self.scheduler.allocated(request, new, 0)
            self.compute(request, done, done + tokens)
            row = (request.request_id, new, done, tokens)
            self.run(scheduled(new=[row]) if index == 0 else scheduled(cached=[row]))
            done += tokens
        return self.end(request, status)

    def end(self, request: FakeRequest, status: str) -> Any:
        request.status.name = status
        params = self.scheduler.finished(request)
        self.free(request)
        self.run(scheduled(), [request.request_id])
        return params

    def fetch(self, request: FakeRequest, local: int = 0) -> set[int]:
        """Loads a prompt of which `local` tokens are here. Returns its blocks that were not loaded."""
        tokens, is_asynchronous = self.scheduler.matched(request, local)
        self.allocate(request, local + tokens)
        self.scheduler.allocated(request, self.blocks[request.request_id], tokens)
        assert is_asynchronous == (tokens > 0)
        if tokens == 0:
            self.run(scheduled())
            return set()
        self.wait(request)
        return self.worker.failed_blocks()

    def wait(self, request: FakeRequest, ended: Sequence[str] = ()) -> None:
        """Steps until the load of the prompt is over."""
        until = time.monotonic() + WAIT_SECONDS
        while request.request_id not in self.run(scheduled(), ended):
            assert time.monotonic() < until, f"prompt {request.request_id} is still being loaded"
            time.sleep(0.005)

    def contents(self, request: FakeRequest) -> list[list[bytes]]:
        return [self.cache.content(block) for block in self.blocks[request.request_id]]


def expected(tokens: Sequence[int], blocks: int, weights: str = "") -> list[list[bytes]]:
    return [computed(tokens, number, weights) for number in range(blocks)]


def eventually(condition: Callable[[], object], what: str) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < until, f"it did not happen: {what}"
        time.sleep(0.005)


def prompt(request_id: str, length: int, params: dict[str, Any] | None, seed: int = 0) -> FakeRequest:
    return FakeRequest(request_id, [(seed * 131 + index * 7) % 251 for index in range(length)], params)


def ask(receiver: str | None = None) -> dict[str, Any]:
    """What a router asks of a prefill server."""
    empty = dict.fromkeys(("remote_engine_id", "remote_block_ids", "remote_host", "remote_port"))
    asked = {"do_remote_decode": True, "do_remote_prefill": False, **empty}
    return asked if receiver is None else {**asked, "kvferry_receiver": receiver}
