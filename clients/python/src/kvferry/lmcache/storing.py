"""Chunks that this server has stored. They are copied into source memory. Then they are put to the configured decode
agent, or offered one by one until a decode server asks for them."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import KvferryError
from ..prefill_engine import PrefillEngine
from ..source_pool import SourcePool
from ..waiting import in_background, now
from .copying import copy
from .keys import NAMES_OF_A_CHUNK, offers_of

if TYPE_CHECKING:
    from ..put_stream import PutStream
    from ..source_pool import SlotChunk
    from .config import AdapterConfig
    from .link import Link

log = logging.getLogger("lmcache.kvferry")

_PATIENCE_SECONDS = 2.0
_OFFERS_AT_ONCE = 16
_AGAIN_SECONDS = 1.0
"""After the agent did not take the memory. Stores that come before then fail at once."""


@dataclass(frozen=True)
class Stored:
    key: str
    bytes: Any
    """A buffer, which the caller keeps until the store has ended."""
    length: int


class Storing:
    """Owned by the event loop."""

    def __init__(self, link: Link, config: AdapterConfig) -> None:
        self._link = link
        self._config = config
        self._pool: SourcePool | None = None
        self._engine: PrefillEngine | None = None
        self._opening = asyncio.Lock()
        self._refusal: KvferryError | None = None
        self._refused_until = 0.0
        self._places = asyncio.Semaphore(_OFFERS_AT_ONCE)

    async def store(self, objects: Sequence[Stored]) -> int:
        """Returns the bytes when the agent has accepted every chunk. Raises the first error, and nothing of the memory
        of the caller is read after that."""
        if not self._link.connected.stores:
            # A decode server loads. What it computes itself stays with it.
            return 0
        engine = await self._opened(max(one.length for one in objects))
        chunks = await self._filled(engine, [one for one in objects for _ in range(self._config.copies)])
        try:
            await self._put_all(engine, chunks)
        finally:
            # Also those of which no task had begun when the caller was cancelled.
            engine.discard(chunks)
        return sum(one.length for one in objects)

    async def close(self) -> None:
        """Source memory must not be taken away while the agent reads it."""
        try:
            if self._engine is not None:
                await self._engine.close()
        except KvferryError as error:
            log.warning("agent %s did not give source memory back: %s", self._link.agent, error)
        finally:
            if self._pool is not None:
                self._pool.close()

    async def _opened(self, length: int) -> PrefillEngine:
        """Memory is made for the first chunk, because LMCache knows the size of chunks only then."""
        async with self._opening:
            if self._pool is None:
                size = self._config.chunk_bytes or length
                slots = max(1, self._config.memory_bytes // size)
                self._pool = await asyncio.to_thread(
                    SourcePool.create, self._config.segment, slot_bytes=size, slots=slots
                )
                log.info("source memory %s: %d chunks of %d bytes", self._pool.path, slots, size)
            if length > self._pool.slot_bytes:
                message = (
                    f"a chunk has {length} bytes, and slots have {self._pool.slot_bytes}: set chunk_bytes {length}"
                )
                raise KvferryError("invalid_configuration", message)
            if self._engine is None:
                self._engine = await self._attached(self._pool)
            return self._engine

    async def _attached(self, pool: SourcePool) -> PrefillEngine:
        """Stores keep memory of LMCache while they wait. So those behind a store that has failed do not wait too."""
        if self._refusal is not None and now() < self._refused_until:
            raise KvferryError(self._refusal.code, self._refusal.message)
        try:
            return await PrefillEngine.open(
                self._link.connected.client, self._link.agent, pool, patience=_PATIENCE_SECONDS
            )
        except KvferryError as error:
            self._refusal, self._refused_until = error, now() + _AGAIN_SECONDS
            raise

    async def _filled(self, engine: PrefillEngine, objects: Sequence[Stored]) -> list[SlotChunk]:
        if engine.epoch is None:
            raise KvferryError("no_responders", f"agent {self._link.agent} is away")
        if engine.free_slots < len(objects):
            message = (
                f"source memory is full: {engine.free_slots} of {engine.pool.slots} chunks are free, and "
                f"{len(objects)} are stored: raise memory_bytes, or lower offer_timeout"
            )
            raise KvferryError("too_many_requests", message)
        keys, lengths = [one.key for one in objects], [one.length for one in objects]
        chunks = await engine.fill(keys, length=lengths, timeout=0)
        pairs = list(zip(objects, chunks, strict=True))

        def copy_all() -> None:
            for one, chunk in pairs:
                copy(one.bytes, chunk.view)

        try:
            # A thread cannot be cancelled: slots come back when it has ended.
            await asyncio.shield(in_background(asyncio.to_thread(copy_all)))
        except BaseException:
            engine.discard(chunks)
            raise
        return chunks

    async def _put_all(self, engine: PrefillEngine, chunks: Sequence[SlotChunk]) -> None:
        if self._config.receiver is not None:
            await self._put(engine, f"lmcache-{secrets.token_hex(16)}", chunks)
            return
        copies = self._config.copies
        each = [chunks[start : start + copies] for start in range(0, len(chunks), copies)]
        offers = await asyncio.gather(*(self._offer(engine, one) for one in each), return_exceptions=True)
        for problem in offers:
            if isinstance(problem, BaseException):
                raise problem

    async def _offer(self, engine: PrefillEngine, copies: Sequence[SlotChunk]) -> None:
        """Copies of one chunk, under its first names that the agent does not remember."""
        key, offered = copies[0].key, 0
        try:
            async with self._places:
                for request in offers_of(key):
                    known = await self._link.connected.client.status(
                        self._link.agent, request=request, lists=["requests"], timeout=_PATIENCE_SECONDS
                    )
                    if not known["requests"]:
                        await self._put(engine, request, [copies[offered]])
                    elif all("end" in row for row in known["requests"]):
                        continue
                    # Otherwise an earlier copy is offered already, or on its way.
                    offered += 1
                    if offered == len(copies):
                        return
        finally:
            engine.discard(copies)
        if offered == 0:
            message = f"chunk {key} was stored {NAMES_OF_A_CHUNK} times, and is not offered again for some minutes"
            raise KvferryError("request_ended", message)

    async def _put(self, engine: PrefillEngine, request: str, chunks: Sequence[SlotChunk]) -> None:
        stream = await engine.put(request, self._config.receiver, chunks, timeout=self._config.offer_timeout)
        in_background(self._watch(stream))

    async def _watch(self, stream: PutStream) -> None:
        """Expects the end, so that its event is not kept. One that nobody asked for is no fault."""
        try:
            end = await stream.end()
        except KvferryError as error:
            log.debug("the end of request %s is not known: %s", stream.plan.request, error)
            return
        if end.end == "failed":
            reason = "no reason was given" if end.reason is None else end.reason["message"]
            log.warning("chunks of request %s did not arrive: %s", end.request, reason)
