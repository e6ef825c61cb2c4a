"""Two teams on the same agents."""

from __future__ import annotations

from functools import partial

from kvferry.lmcache.config import read_config

from ..worlds.real import RealWorld
from .servers import CHUNK_BYTES, Key, new_keys, server, settled


async def test_equal_chunks_of_two_tenants_are_two_chunks(real: RealWorld) -> None:
    await real.start("prefill-t", "prefill")
    await real.start("decode-t", "decode", settings={"--retained-pages": "8"})
    keys = new_keys(2)
    for tenant in ("team-a", "team-b"):
        connection = read_config({"agent": "any", "nats_url": real.url, "tenant": tenant}).connection

        def made(key: Key, tenant: str = tenant) -> bytes:
            return (tenant.encode() + key.chunk_hash).ljust(CHUNK_BYTES, b".")

        async with (
            server(real, "prefill-t", partial(connection.connect, "prefill")) as prefill,
            server(real, "decode-t", partial(connection.connect, "decode"), senders=("prefill-t",)) as decode,
        ):
            # Not even those that the other team has left in the arena.
            assert await decode.fetch(keys) == [None, None]
            await prefill.store(keys, made)
            assert await decode.fetch(keys) == [made(key) for key in keys]
            await settled(decode)
    await real.kill("prefill-t")
    await real.kill("decode-t")
