"""What is compared: ways for a prompt from the client to its first token. Each has engines of its own."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stage.engines import Engine
from stage.forked import Zygote
from stage.settings import engine_arguments, free_port, kvferry_transfer

from nixl_dialect import ask_prefill
from tests.worlds.real import RealWorld
from tests.worlds.world import Role

# 24 layers with two KV heads of 64: the shape of the cache of a model with half a billion parameters.
LAYERS, WIDTH = 24, 256
KV_HEADS, HEAD, FLOAT_BYTES = 2, 64, 4
CACHE_BYTES_PER_TOKEN = LAYERS * 2 * KV_HEADS * HEAD * FLOAT_BYTES
CHUNK_TOKENS = 32
PAGE_BYTES = CHUNK_TOKENS * CACHE_BYTES_PER_TOKEN
PROMPT_TOKENS, ANSWER_TOKENS = 512, 16
ROOM_TOKENS = 640
AT_ONCE_MAX = 16
CACHE_BYTES = 24 * ROOM_TOKENS * CACHE_BYTES_PER_TOKEN
CHUNKS = 24 * PROMPT_TOKENS // CHUNK_TOKENS
PATHS = {"same-host": "tcp,sm,self", "tcp": "tcp,self"}
"""The paths of the bytes, each with the transports that UCX has for it."""


@dataclass(frozen=True)
class Described:
    """A system before it runs."""

    name: str
    """Begins the names of its figures."""
    path: str
    """The transport of the bytes, or `any`: the system is the same beside all of them."""
    prefill: dict[str, Any] | None
    decode: dict[str, Any] | None
    """Arguments of `KVTransferConfig`. None: prefill is no engine of its own."""
    agents: dict[str, str] = field(default_factory=dict)
    """The agent beside the engine of each role."""
    receiver: str | None = None
    """The router names this agent to prefill."""
    store: Path | None = None
    """Files that the engines write."""
    spins: bool = False
    """Its threads ask for news without a pause. The engines are stopped while another system has its turn."""
    names_chunks: bool = True
    """Prefill's answer says to decode where the cache is."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """Of both engines."""
    environment: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of the engine of each role."""


@dataclass(frozen=True)
class System:
    described: Described
    prefill: Engine | None
    decode: Engine

    async def transfer(self, tokens: list[int]) -> dict[str, Any] | None:
        """Prefills a prompt. Returns what the router passes on to decode."""
        if self.prefill is None:
            return None
        if not self.described.names_chunks:
            await self.prefill.ask(tokens, 1)
            return None
        return (await self.prefill.ask(tokens, 1, ask_prefill(self.described.receiver))).transfer

    def forget(self) -> None:
        """Removes files that would fill the memory."""
        store = self.described.store
        if store is not None:
            shutil.rmtree(store, ignore_errors=True)
            store.mkdir()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Only inside of it, engines that spin run."""
        self._signal(signal.SIGCONT)
        yield
        self._signal(signal.SIGSTOP)

    async def close(self) -> None:
        self._signal(signal.SIGCONT)
        for engine in self._engines:
            await engine.close()

    @property
    def _engines(self) -> list[Engine]:
        return [engine for engine in (self.prefill, self.decode) if engine is not None]

    def _signal(self, number: signal.Signals) -> None:
        if self.described.spins:
            for engine in self._engines:
                os.killpg(engine.forked.pid, number)


ALONE = Described("alone", "any", None, None)


def kvferry(path: str, nats_url: str, *, early: bool = False) -> Described:
    """Late binding asks as every router does. With early binding the router names the decode agent."""
    suffix = f"{path}-early" if early else path
    agents = {role: f"{role}-{suffix}" for role in ("prefill", "decode")}
    return Described(
        "kvferryEarly" if early else "kvferry",
        path,
        kvferry_transfer("kv_producer", agents["prefill"], nats_url, policy="fail", slots=CHUNKS),
        kvferry_transfer("kv_consumer", agents["decode"], nats_url, policy="fail"),
        agents=agents,
        receiver=agents["decode"] if early else None,
    )


def nixl(path: str, transports: str) -> Described:
    """vLLM's own connector on NIXL. `transports` is for UCX, which carries its bytes."""
    transfer = {
        "kv_connector": "NixlConnector",
        "kv_role": "kv_both",
        "kv_buffer_device": "cpu",
        # By default it has four threads that spin in each engine, and nothing else runs on two processors.
        "kv_connector_extra_config": {"num_threads": 0},
        "kv_load_failure_policy": "fail",
    }
    return Described(
        "nixl",
        path,
        transfer,
        transfer,
        spins=True,
        environment={
            role: {"UCX_TLS": transports, "VLLM_NIXL_SIDE_CHANNEL_PORT": str(free_port())}
            for role in ("prefill", "decode")
        },
    )


def shared_storage(store: Path) -> Described:
    """vLLM's own connector on files. It stores what one step computes, so each prompt must be a step of its own."""
    transfer = {"kv_connector": "ExampleConnector", "kv_connector_extra_config": {"shared_storage_path": str(store)}}
    return Described(
        "sharedStorage",
        "same-host",
        {**transfer, "kv_role": "kv_producer"},
        {**transfer, "kv_role": "kv_consumer"},
        store=store,
        names_chunks=False,
        arguments={
            "enable_prefix_caching": False,
            "enable_chunked_prefill": False,
            "disable_hybrid_kv_cache_manager": True,
        },
    )


async def start_agents(world: RealWorld, described: Described) -> None:
    roles: tuple[Role, ...] = ("prefill", "decode")
    for role in roles:
        if role not in described.agents:
            continue
        # As many chunks are kept for later prompts as an engine keeps in its own cache.
        kept = {"--retained-pages": str(CHUNKS)} if role == "decode" else {}
        settings = {"--heartbeat-ms": "1000", "--provider": described.path, **kept}
        name = described.agents[role]
        await world.start(name, role, pages=2 * CHUNKS, page_bytes=PAGE_BYTES, settings=settings)


async def start(zygote: Zygote, described: Described, model: Path) -> System:
    """Raises `EngineRefused` with vLLM's reason."""

    async def engine(role: str, transfer: dict[str, Any] | None) -> Engine:
        arguments = engine_arguments(
            str(model),
            max_model_len=ROOM_TOKENS,
            max_num_batched_tokens=ROOM_TOKENS,
            max_num_seqs=AT_ONCE_MAX,
            kv_cache_memory_bytes=CACHE_BYTES,
            **described.arguments,
        )
        name = f"{described.name}-{described.path}-{role}"
        return await Engine.start(zygote, name, arguments, transfer, described.environment.get(role))

    prefill = None if described.prefill is None else await engine("prefill", described.prefill)
    system = System(described, prefill, await engine("decode", described.decode))
    with system.turn():
        return system
