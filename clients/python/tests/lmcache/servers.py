"""What LMCache does with the adapter, without LMCache: keys, memory, and two servers with an agent each."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from kvferry.lmcache.config import AdapterConfig
from kvferry.lmcache.fetching import Fetching
from kvferry.lmcache.keys import chunk_key, layout_text
from kvferry.lmcache.link import Connect, Link
from kvferry.lmcache.locks import Locks, Wanted
from kvferry.lmcache.releases import Releases
from kvferry.lmcache.storing import Stored, Storing
from kvferry.waiting import now

from ..conftest import WAIT_SECONDS
from ..worlds.world import World

CHUNK_BYTES = 1000
SLOTS = 6


@dataclass(frozen=True)
class Key:
    chunk_hash: bytes
    model_name: str = "models/tiny"
    kv_rank: int = 0x01000100
    object_group_id: int = 0
    cache_salt: str = ""


def new_keys(count: int) -> list[Key]:
    return [Key(secrets.token_bytes(32)) for _ in range(count)]


def content(key: Key) -> bytes:
    return (hashlib.sha256(key.chunk_hash).digest() * (CHUNK_BYTES // 32 + 1))[:CHUNK_BYTES]


def name_of(key: Key, layout: str | None = None) -> str:
    return chunk_key(key, layout_text([(2, 4, 8)], ["float32"]) if layout is None else layout, "")


class Server:
    """One LMCache server and its adapter, in the event loop of the test."""

    def __init__(self, link: Link, config: AdapterConfig) -> None:
        self.link = link
        self.config = config
        self.storing = Storing(link, config)
        self.releases = Releases(link)
        self.locks = Locks(link, Fetching(link, self.releases, config), self.releases, config)

    async def store(self, keys: Sequence[Key], made: Callable[[Key], bytes] = content) -> int:
        return await self.storing.store([Stored(name_of(key), made(key), CHUNK_BYTES) for key in keys])

    async def lookup(self, keys: Sequence[Key]) -> list[bool]:
        found = await self.locks.lookup({key: name_of(key) for key in keys})
        return [key in found for key in keys]

    async def load(self, keys: Sequence[Key]) -> list[bytes | None]:
        """The bytes of each chunk, and None for those that were not loaded."""
        memory = [bytearray(CHUNK_BYTES) for _ in keys]
        wanted = [Wanted(key, buffer, CHUNK_BYTES) for key, buffer in zip(keys, memory, strict=True)]
        loaded = await self.locks.load(wanted)
        return [bytes(one) if is_right else None for one, is_right in zip(memory, loaded, strict=True)]

    async def fetch(self, keys: Sequence[Key]) -> list[bytes | None]:
        """As LMCache does it: looks up, loads what was found, unlocks it."""
        found = await self.lookup(keys)
        hits = [key for key, is_there in zip(keys, found, strict=True) if is_there]
        loaded = dict(zip(hits, await self.load(hits), strict=True))
        self.locks.unlock(hits)
        return [loaded.get(key) for key in keys]

    @property
    def free_slots(self) -> int:
        engine = self.storing._engine
        return SLOTS if engine is None else engine.free_slots


@asynccontextmanager
async def server(world: World, agent: str, connect: Connect | None = None, **changed: Any) -> AsyncIterator[Server]:
    config = AdapterConfig(
        agent=agent,
        memory_bytes=SLOTS * CHUNK_BYTES,
        lookup_timeout=10,
        unknown_timeout=0.1,
        segment=f"lmcache-{secrets.token_hex(4)}",
    )
    config = dataclasses.replace(config, **changed)
    link = Link(connect or world.client, agent)
    await link.make_always()
    made = Server(link, config)
    try:
        yield made
    finally:
        await made.storing.close()
        made.locks.close()
        await made.releases.close()
        await link.close()


async def settled(server: Server) -> None:
    """Returns when the agent holds no lease of this server any more."""
    client, agent = server.link.connected.client, server.link.agent
    until = now() + WAIT_SECONDS
    while True:
        pages = (await client.status(agent, lists=["requests"]))["pages"]
        if pages["free"] + pages["retained"] == pages["total"]:
            return
        assert now() < until, f"pages are held: {pages}"
