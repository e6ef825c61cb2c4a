"""The chunks that this rank puts: copied from vLLM's blocks to source memory before the step ends, and put from the
thread of the event loop. vLLM never waits for an answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..decode_engine import DecodeEngine
from ..errors import KvferryError
from ..source_pool import SlotChunk
from ..waiting import in_background, now
from .arrived import release_arrived
from .keys import rank_key

if TYPE_CHECKING:
    from ..loop_thread import LoopThread
    from ..protocol.messages import Ranks
    from ..put_stream import PutStream
    from ..source_pool import SourcePool
    from .config import ConnectorConfig
    from .copying import Copier
    from .counts import Counts
    from .link import Link
    from .metadata import Cancel, Save

log = logging.getLogger("vllm.kvferry")

_CANCEL_SECONDS = 10.0
"""For the end of a prompt that was cancelled."""
_RESERVE_SECONDS = 5.0
"""Taking slots waits for no agent. Longer than that, and the event loop stands still."""


@dataclass(eq=False)
class _Outgoing:
    request: str
    stream: PutStream
    chunks: list[SlotChunk]
    """Slots for the chunks that will be put: all of the prompt, or as many as there were."""


@dataclass(eq=False)
class _Part:
    """Chunks of one prompt, of one step."""

    outgoing: _Outgoing
    chunks: list[SlotChunk]
    blocks: list[list[int]]


@dataclass(eq=False)
class _Step:
    saves: Sequence[Save]
    parts: list[_Part]
    layers: set[str] = field(default_factory=set)
    """Those that were copied."""
    seconds: float = 0.0


class Saves:
    """Owned by the thread of vLLM's worker."""

    def __init__(
        self,
        loop: LoopThread,
        link: Link,
        pool: SourcePool,
        copier: Copier,
        counts: Counts,
        config: ConnectorConfig,
        rank: int,
    ) -> None:
        self._loop = loop
        self._link = link
        self._copier = copier
        self._counts = counts
        self._config = config
        self._rank = rank
        self._memory = copier.memory_of(pool.memory)
        copier.lane.pin(self._memory, read_only=False)
        self._outgoing: dict[str, _Outgoing] = {}
        self._step: _Step | None = None
        self._shortage: str | None = None
        self._lock = threading.Lock()
        self._offered: dict[str, int] = {}

    def layer(self, saves: Sequence[Save], name: str) -> None:
        """A layer of this step is computed. On CUDA its copies begin now, behind it. A layer that shares the cache of
        another one has nothing of its own."""
        if saves and self._copier.lane.is_asynchronous and name in self._copier.layer_names:
            self._copy(self._begun(saves), [name])

    def finish(self, saves: Sequence[Save]) -> None:
        """The step is computed. Returns when its blocks may be used for other prompts."""
        if not saves:
            return
        step = self._begun(saves)
        self._step = None
        self._copy(step, [name for name in self._copier.layer_names if name not in step.layers])
        began = now()
        self._copier.lane.wait()
        self._counts.observe("save_seconds", step.seconds + now() - began)
        for part in step.parts:
            self._loop.begin(self._append(part.outgoing, part.chunks))

    def cancel(self, cancels: Sequence[Cancel]) -> None:
        for cancel in cancels:
            self._loop.begin(self._take_back(cancel))

    def forget(self, saves: Sequence[Save]) -> None:
        """All prompts but those of this step are not offered any more. Some of those have slots already."""
        kept = {save.request for save in saves}
        for outgoing in self._outgoing.copy().values():
            if outgoing.request not in kept:
                self._loop.begin(self._give_up(outgoing))

    def take_offered(self) -> dict[str, int]:
        """Prompts of which fewer chunks are put than were ordered, since the last call."""
        with self._lock:
            offered, self._offered = self._offered, {}
        return offered

    def _begun(self, saves: Sequence[Save]) -> _Step:
        if self._step is not None and self._step.saves is saves:
            return self._step
        parts = []
        for save in saves:
            outgoing = self._begin(save) if save.first == 0 else self._outgoing.get(save.request)
            if outgoing is None:
                continue
            chunks = outgoing.chunks[save.first : save.first + len(save.blocks)]
            if chunks:
                parts.append(_Part(outgoing, chunks, save.blocks[: len(chunks)]))
        self._step = _Step(saves, parts)
        return self._step

    def _copy(self, step: _Step, layers: Sequence[str]) -> None:
        began = now()
        with self._copier.lane.copies(self._copier.lane.mark()):
            for part in step.parts:
                for chunk, blocks in zip(part.chunks, part.blocks, strict=True):
                    self._copier.save(blocks, self._memory, chunk.offset, layers)
        step.layers.update(layers)
        step.seconds += now() - began

    def _begin(self, save: Save) -> _Outgoing | None:
        """Takes slots for the whole prompt, or for its first chunks, so that prompts never wait for each other."""
        try:
            outgoing = self._loop.run(self._reserve(save), _RESERVE_SECONDS)
        except KvferryError as error:
            self._shortened(save, 0, str(error))
            return None
        self._counts.add("prompts_offered")
        if len(outgoing.chunks) < len(save.keys):
            self._shortened(save, len(outgoing.chunks), "source memory is full: raise slots, or lower offer_timeout")
        else:
            self._shortage = None
        return outgoing

    async def _reserve(self, save: Save) -> _Outgoing:
        engine, ranks = self._link.prefill, len(self._config.agents)
        if engine.epoch is None:
            raise KvferryError("no_responders", f"agent {self._link.agent} is away")
        keys = [rank_key(key, self._rank, ranks) for key in save.keys]
        try:
            chunks = await engine.fill(keys, timeout=0)
        except KvferryError:
            free = engine.free_slots
            if free == 0:
                raise
            chunks = await engine.fill(keys[:free], timeout=0)
        try:
            stream = self._stream(save, len(chunks))
        except BaseException:
            engine.discard(chunks)
            raise
        outgoing = self._outgoing[save.request] = _Outgoing(save.request, stream, chunks)
        in_background(self._watch(outgoing))
        return outgoing

    def _stream(self, save: Save, chunks: int) -> PutStream:
        receiver = None if save.receivers is None else save.receivers[self._rank]
        timeout, ranks = self._config.offer_timeout, self._ranks(save)
        return self._link.prefill.begin(
            save.request, receiver, total_chunks=chunks, timeout=timeout, ranks=ranks, headers=save.trace
        )

    def _ranks(self, save: Save) -> Ranks | None:
        if save.receivers is None or len(save.receivers) == 1:
            return None
        return ranks_of(self._rank, self._config.agents, save.receivers)

    async def _append(self, outgoing: _Outgoing, chunks: list[SlotChunk]) -> None:
        try:
            await outgoing.stream.append(chunks)
        except KvferryError as error:
            if outgoing.request in self._outgoing and error.code != "cancelled_by_caller":
                self._counts.add("puts_failed")
                log.warning("prompt %s cannot be fetched: agent %s: %s", outgoing.request, self._link.agent, error)
            await self._give_up(outgoing)
            return
        self._counts.add("chunks_put", len(chunks))

    async def _take_back(self, cancel: Cancel) -> None:
        """Slots come back. So do the pages of a decode agent that was named early: the router gets no parameters, so
        nobody else would release them."""
        outgoing = self._outgoing.get(cancel.request)
        if outgoing is not None:
            await self._give_up(outgoing)
        if cancel.receivers is None:
            return
        receiver = cancel.receivers[self._rank]
        try:
            if outgoing is not None and outgoing.stream.epoch is not None:
                await outgoing.stream.end(_CANCEL_SECONDS)
            await release_arrived(DecodeEngine(self._link.client, receiver), self._link.client, cancel.request)
        except KvferryError as error:
            log.info("what agent %s has of prompt %s ends by time: %s", receiver, cancel.request, error)

    async def _give_up(self, outgoing: _Outgoing) -> None:
        """Its slots come back. Repeated, it changes nothing."""
        if not self._forget(outgoing):
            return
        self._offers_nothing(outgoing)
        try:
            await outgoing.stream.cancel()
        except KvferryError as error:
            log.info("prompt %s was not cancelled, and its offer ends by time: %s", outgoing.request, error)

    async def _watch(self, outgoing: _Outgoing) -> None:
        """Until the agent has sent the chunks, or nobody will fetch them. In that case prefill may still go on, and the
        router should get no parameters."""
        is_ready = False
        try:
            end = await outgoing.stream.end()
            is_ready = end.end == "ready"
        except KvferryError as error:
            log.debug("the end of prompt %s is not known: %s", outgoing.request, error)
        else:
            if end.end == "expired":
                self._counts.add("offers_expired")
                log.warning("prompt %s was not fetched within %g s", outgoing.request, self._config.offer_timeout)
            elif end.end == "failed":
                reason = "no reason was given" if end.reason is None else end.reason["message"]
                log.warning("prompt %s failed on its way: %s", outgoing.request, reason)
        finally:
            if self._forget(outgoing) and not is_ready:
                self._offers_nothing(outgoing)

    def _forget(self, outgoing: _Outgoing) -> bool:
        """No more chunks of it are put: slots that were not come back. Returns whether it was known."""
        if self._outgoing.pop(outgoing.request, None) is None:
            return False
        self._link.prefill.discard(outgoing.chunks)
        return True

    def _offers_nothing(self, outgoing: _Outgoing) -> None:
        with self._lock:
            self._offered[outgoing.request] = 0

    def _shortened(self, save: Save, chunks: int, why: str) -> None:
        """Logged once, until a prompt is put as a whole again."""
        self._counts.add("prompts_shortened")
        with self._lock:
            self._offered[save.request] = chunks
        if self._shortage != why:
            log.warning("prompts are put in part or not at all (%d of %d chunks): %s", chunks, len(save.keys), why)
        self._shortage = why


def ranks_of(rank: int, senders: Sequence[str], receivers: Sequence[str]) -> Ranks:
    return {
        "rank": rank,
        "members": [
            {"sender": sender, "receiver": receiver} for sender, receiver in zip(senders, receivers, strict=True)
        ],
    }
