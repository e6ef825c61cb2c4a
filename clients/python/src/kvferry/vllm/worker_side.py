"""The connector in one of vLLM's workers: copies, and talks to the agent of its rank."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import KvferryError
from ..loop_thread import LoopThread
from ..source_pool import SourcePool
from .copying import BlockCopier, Copier
from .counts import Counts
from .link import Connect, Link
from .loading import Loads
from .metadata import StepOrders, WorkerReport
from .saving import Saves

if TYPE_CHECKING:
    from .config import ConnectorConfig
    from .layout import KvLayout

log = logging.getLogger("vllm.kvferry")

_SLOTS_BYTES_MAX = 4 * 2**30
"""Of source memory whose size is not set."""
_PROMPTS = 2
_CONNECT_SECONDS = 3.0
"""For one attempt: the start of vLLM waits a little longer, so that its log has the reason."""
_CLOSE_SECONDS = 20.0


class WorkerSide:
    """Owned by the thread of vLLM's worker. `register` starts it."""

    def __init__(
        self,
        config: ConnectorConfig,
        layout: KvLayout,
        rank: int,
        *,
        prompt_tokens: int,
        is_producer: bool,
        is_consumer: bool,
    ) -> None:
        """`prompt_tokens`: of the longest prompt."""
        self._config = config
        self._layout = layout
        self._rank = rank
        self._prompt_tokens = prompt_tokens
        self._is_producer = is_producer
        self._is_consumer = is_consumer
        self._counts = Counts()
        self._loop: LoopThread | None = None
        self._owns_loop = True
        self._link: Link | None = None
        self._pool: SourcePool | None = None
        self._saves: Saves | None = None
        self._loads: Loads | None = None
        self._reported_epoch: str | None = None

    def register(self, caches: Mapping[str, Any]) -> None:
        """vLLM has allocated its caches. Raises `ValueError` when they do not fit the layout, and as `start` does."""
        self.start(BlockCopier(self._layout, caches))

    def start(self, copier: Copier, connecting: Connect | None = None, loop: LoopThread | None = None) -> None:
        """Raises `KvferryError` when there is no source memory. For tests: another way to agents, in another loop,
        which the caller stops."""
        agent, counts, config = self._config.agents[self._rank], self._counts, self._config
        self._pool = self._make_pool() if self._is_producer else None
        self._loop = loop or LoopThread("kvferry")
        self._owns_loop = loop is None
        own = config.connection
        way = connecting or (lambda: own.connect(f"vllm {agent}", connect_timeout=_CONNECT_SECONDS))
        link = Link(self._loop, way, agent, self._layout.chunk_bytes, self._pool, reads=self._is_consumer)
        if self._pool is not None:
            self._saves = Saves(self._loop, link, self._pool, copier, counts, config, self._rank)
        if self._is_consumer:
            self._loads = Loads(self._loop, link, copier, counts, config, self._rank)
        self._link = link
        link.start()

    def begin(self, orders: StepOrders) -> None:
        """Of a step: loads begin, and what is not needed is given back."""
        if self._loads is not None:
            self._loads.start(orders.loads)
            self._loads.drop(orders.drops)
        if self._saves is not None:
            if orders.forgets:
                self._saves.forget(orders.saves)
            self._saves.cancel(orders.cancels)

    def layer(self, orders: StepOrders, name: str) -> None:
        """A layer of the step is computed."""
        if self._saves is not None:
            self._saves.layer(orders.saves, name)

    def finish(self, orders: StepOrders) -> None:
        """The step is computed."""
        if self._saves is not None:
            self._saves.finish(orders.saves)

    def loaded(self, ended: set[str]) -> set[str]:
        """The prompts whose loads are over. `ended`: prompts that vLLM has ended."""
        if self._loads is None:
            return set()
        self._loads.abandon(ended)
        return self._loads.take_done()

    def failed_blocks(self) -> set[int]:
        return set() if self._loads is None else self._loads.take_failed()

    def counts(self) -> dict[str, Any] | None:
        return self._counts.take()

    def report(self) -> WorkerReport | None:
        """What the scheduler side does not know yet."""
        if self._saves is None or self._link is None:
            return None
        epoch, offered = self._link.epoch, self._saves.take_offered()
        is_new = self._rank == 0 and epoch is not None and epoch != self._reported_epoch
        if not is_new and not offered:
            return None
        if is_new:
            self._reported_epoch = epoch
        return WorkerReport(epoch if is_new else None, offered)

    def close(self) -> None:
        """Idempotent."""
        loop, self._loop = self._loop, None
        if loop is None or self._link is None:
            return
        try:
            loop.run(self._link.close(), _CLOSE_SECONDS)
        except KvferryError as error:
            log.warning("the connection to agent %s did not close cleanly: %s", self._link.agent, error)
        finally:
            if self._owns_loop:
                loop.stop()
            if self._loads is not None:
                self._loads.close()
            if self._pool is not None:
                self._pool.close()

    def _make_pool(self) -> SourcePool:
        size = self._layout.chunk_bytes
        per_prompt = max(1, self._prompt_tokens // self._layout.chunk_tokens)
        room = max(per_prompt, _SLOTS_BYTES_MAX // size)
        slots = self._config.slots or min(_PROMPTS * per_prompt, room)
        pool = SourcePool.create(self._config.segment_of(self._rank), slot_bytes=size, slots=slots)
        log.info("source memory %s: %d chunks of %d bytes", pool.path, slots, size)
        return pool
