"""The chunks that this rank fetches: copied from the arena to vLLM's blocks in a thread of their own, while other
prompts go on. However a load ends, it ends in time, and every block is loaded or reported."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import KvferryError
from ..waiting import in_background, now, within
from .arriving import Arriving
from .keys import rank_key

if TYPE_CHECKING:
    from ..acquired import Acquired
    from ..loop_thread import LoopThread
    from .config import ConnectorConfig
    from .copying import Copier
    from .counts import Counts
    from .dialect import Remote
    from .link import Link
    from .metadata import Load

log = logging.getLogger("vllm.kvferry")


@dataclass(eq=False)
class _Loading:
    load: Load
    mark: Any
    """What the device was ordered before the load."""
    failed: set[int]
    """Blocks without content: all, until the load ends otherwise."""
    work: asyncio.Task[None] | None = None
    epoch: str | None = None
    """Under which the agent holds the chunks. None: they have not arrived, as far as is known."""
    is_copying: bool = False
    is_abandoned: bool = False


class Loads:
    """Called by the thread of vLLM's worker."""

    def __init__(
        self, loop: LoopThread, link: Link, copier: Copier, counts: Counts, config: ConnectorConfig, rank: int
    ) -> None:
        self._loop = loop
        self._link = link
        self._copier = copier
        self._counts = counts
        self._config = config
        self._rank = rank
        self._arriving = Arriving(link, config, rank)
        self._copying = ThreadPoolExecutor(1, thread_name_prefix="kvferry-copy")
        self._loading: dict[str, _Loading] = {}
        self._arena: tuple[str, Any] | None = None
        """Its epoch, and its memory for the copier."""
        self._lock = threading.Lock()
        self._done: set[str] = set()
        self._failed: set[int] = set()

    def start(self, loads: Sequence[Load]) -> None:
        for load in loads:
            loading = _Loading(load, self._copier.lane.mark(), load.targets)
            self._loading[load.request_id] = loading
            self._loop.begin(self._begin(loading))

    def drop(self, remotes: Sequence[Remote]) -> None:
        for remote in remotes:
            self._loop.begin(self._arriving.drop(remote))

    def abandon(self, request_ids: Iterable[str]) -> None:
        """The prompts have ended. Those that are being loaded are done soon."""
        for request_id in request_ids:
            loading = self._loading.get(request_id)
            if loading is not None and not loading.is_abandoned:
                loading.is_abandoned = True
                self._counts.add("loads_abandoned")
                self._loop.begin(self._abandon(loading))

    def take_done(self) -> set[str]:
        """Loads that have ended since the last call: nothing is written to their blocks any more."""
        with self._lock:
            done, self._done = self._done, set()
        for request_id in done:
            del self._loading[request_id]
        return done

    def take_failed(self) -> set[int]:
        """Blocks of those loads that have no content."""
        with self._lock:
            failed, self._failed = self._failed, set()
        return failed

    def close(self) -> None:
        self._copying.shutdown()

    async def _begin(self, loading: _Loading) -> None:
        if loading.load.remote is not None:
            self._arriving.enter(loading.load.remote)
        loading.work = in_background(self._run(loading))
        # Also called when the work is cancelled before it began.
        loading.work.add_done_callback(lambda _: self._ended(loading))

    async def _abandon(self, loading: _Loading) -> None:
        # A copy in its thread stops at the next chunk.
        if loading.work is not None and not loading.is_copying:
            loading.work.cancel()

    async def _run(self, loading: _Loading) -> None:
        try:
            loading.failed = await self._loaded(loading)
        except KvferryError as error:
            log.warning("the chunks of prompt %s were not loaded: %s", _named(loading.load), error)

    def _ended(self, loading: _Loading) -> None:
        if loading.load.remote is not None:
            self._arriving.leave(loading.load.remote, loading.epoch)
        # Nobody reads the blocks of a prompt that has ended.
        failed = set() if loading.is_abandoned else loading.failed
        if failed:
            self._counts.add("loads_failed")
        with self._lock:
            self._failed |= failed
            self._done.add(loading.load.request_id)

    async def _loaded(self, loading: _Loading) -> set[int]:
        """Returns the blocks that were not loaded."""
        load, remote, began = loading.load, loading.load.remote, now()
        if remote is None or load.problem is not None:
            raise KvferryError("invalid_field", load.problem or "the router passed no parameters of kvferry")
        keys = [rank_key(key, self._rank, len(self._config.agents)) for key in load.keys]
        late = f"they did not arrive within {self._config.load_timeout:g} s: kvferry top shows whether an arena is full"
        # Leases of its own: another prompt with the same parameters may give back those of the request.
        holder = (f"load-{secrets.token_hex(8)}", secrets.token_hex(8))
        try:
            acquired = await within(self._config.load_timeout, late, self._acquired(loading, remote, holder, keys))
            self._counts.observe("wait_seconds", now() - began)
            return await self._copied(loading, keys, acquired)
        finally:
            in_background(self._arriving.release(*holder))

    async def _acquired(self, loading: _Loading, remote: Remote, holder: tuple[str, str], keys: list[str]) -> Acquired:
        loading.epoch = await self._arriving.ready(remote, loading.load.first, loading.load.trace)
        return await self._link.decode.take(*holder, keys)

    async def _copied(self, loading: _Loading, keys: list[str], acquired: Acquired) -> set[int]:
        began, blocks = now(), dict(zip(keys, loading.load.blocks, strict=True))
        loading.is_copying = True
        await asyncio.get_running_loop().run_in_executor(self._copying, self._copy, loading, blocks, acquired)
        # Bytes that were read after the lease may be of another chunk.
        acquired.check()
        self._counts.observe("copy_seconds", now() - began)
        self._counts.add("chunks_loaded", len(acquired.pages))
        self._counts.add("bytes_loaded", sum(len(page.view) for page in acquired.pages))
        if acquired.missing:
            what = f"{len(acquired.missing)} of {len(keys)} chunks of prompt {_named(loading.load)}"
            log.warning("%s did not come from agent %s", what, loading.load.remote and loading.load.remote.agents[0])
        return {block for key in acquired.missing for block in blocks[key] if block is not None}

    def _copy(self, loading: _Loading, blocks: dict[str, list[int | None]], acquired: Acquired) -> None:
        """In the thread for copies."""
        arena = acquired.arena
        if self._arena is None or self._arena[0] != arena.epoch:
            if self._arena is not None:
                self._copier.lane.unpin(self._arena[1])
            memory = self._copier.memory_of(arena.view(0, arena.pages * arena.page_bytes))
            self._copier.lane.pin(memory, read_only=True)
            self._arena = (arena.epoch, memory)
        with self._copier.lane.copies(loading.mark):
            for page in acquired.pages:
                if loading.is_abandoned:
                    break
                if len(page.view) != self._copier.chunk_bytes:
                    message = f"chunk {page.key} has {len(page.view)} bytes, not {self._copier.chunk_bytes}"
                    raise KvferryError("length_mismatch", message)
                self._copier.load(self._arena[1], page.number * arena.page_bytes, blocks[page.key])
        self._copier.lane.wait()


def _named(load: Load) -> str:
    """For people: the request ids of vLLM and of kvferry."""
    return load.request_id if load.remote is None else f"{load.request_id} (request {load.remote.request})"
