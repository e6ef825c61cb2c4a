"""`world`: the same tests run with fake and with real agents, so that the fake ones stay true."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

import kvferry
from kvferry import Client, DecodeEngine, PrefillEngine, SlotChunk, SourcePool

from .worlds.fake import FakeWorld
from .worlds.real import RealWorld, missing
from .worlds.world import PAGE_BYTES, World

WAIT_SECONDS = 30
REQUIRED = os.environ.get("KVFERRY_REQUIRE_AGENTS") is not None


def _skip_without_agents() -> None:
    why = missing()
    if why is not None and not REQUIRED:
        pytest.skip(f"no real agents: {why}")


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=["fake", "real"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "real":
        _skip_without_agents()
    made: World = await RealWorld.open() if request.param == "real" else FakeWorld()
    try:
        await asyncio.gather(made.start("prefill-0", "prefill"), made.start("decode-0", "decode"))
        yield made
    finally:
        await made.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def real() -> AsyncIterator[RealWorld]:
    """Real agents for tests that have no meaning with fake ones."""
    _skip_without_agents()
    made = await RealWorld.open()
    try:
        yield made
    finally:
        await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def client(world: World) -> AsyncIterator[Client]:
    async with await world.client() as made:
        yield made


@dataclass
class Pair:
    """Two engines and their agents, which no other test uses at the same time."""

    client: Client
    prefill: PrefillEngine
    decode: DecodeEngine

    @property
    def receiver(self) -> str:
        return self.decode.agent


@pytest.fixture
def segment() -> str:
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
def pool(segment: str) -> Iterator[SourcePool]:
    with SourcePool.create(segment, slot_bytes=PAGE_BYTES, slots=8) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def pair(client: Client, pool: SourcePool) -> AsyncIterator[Pair]:
    async with await PrefillEngine.open(client, "prefill-0", pool) as prefill:
        yield Pair(client, prefill, DecodeEngine(client, "decode-0"))


def content(key: str) -> bytes:
    """The bytes under a key: each page of each key has others."""
    unit = f"{key} ".encode()
    return (unit * (PAGE_BYTES // len(unit) + 1))[:PAGE_BYTES]


async def filled(engine: PrefillEngine, keys: list[str]) -> list[SlotChunk]:
    chunks = await engine.fill(keys)
    for chunk in chunks:
        chunk.view[:] = content(chunk.key)
    return chunks


def fresh(*names: str) -> list[str]:
    """Keys that no other test has."""
    token = secrets.token_hex(4)
    return [f"{token}@{name}" for name in names]


def new_request() -> str:
    return f"prompt-{secrets.token_hex(6)}"


async def eventually(condition: Callable[[], object], what: str) -> None:
    """Returns when the condition holds."""
    until = kvferry.waiting.now() + WAIT_SECONDS
    while not condition():
        assert kvferry.waiting.now() < until, f"it did not happen: {what}"
        await asyncio.sleep(0.005)


def fake_of(world: World) -> FakeWorld:
    """Skips the test in the world of real agents."""
    if not isinstance(world, FakeWorld):
        pytest.skip("only a fake agent does this on request")
    return world
