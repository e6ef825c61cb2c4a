"""The class that LMCache loads. It translates LMCache's tasks, and the other parts of this package do them."""

from __future__ import annotations

import concurrent.futures
import itertools
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from lmcache.lmcache_native import Bitmap
from lmcache.v1.distributed.internal_api import L2StoreResult
from lmcache.v1.distributed.l2_adapters.base import L2AdapterInterface
from lmcache.v1.platform import create_event_notifier

from ..client import Client
from ..errors import KvferryError
from ..loop_thread import LoopThread
from .config import read_config
from .fetching import Fetching
from .keys import chunk_key, layout_text
from .link import Link
from .locks import Locks, Wanted
from .releases import Releases
from .storing import Stored, Storing
from .tasks import Results

log = logging.getLogger("lmcache.kvferry")

_CONNECT_SECONDS = 3.0
"""For one attempt: the start of LMCache waits a little longer, so that its log has the reason."""
_CLOSE_SECONDS = 20.0
T = TypeVar("T")
R = TypeVar("R")


class L2Adapter(L2AdapterInterface):  # type: ignore[misc]
    """LMCache calls it in several threads. No call waits for an agent, except the first one and `close`."""

    def __init__(self, params: Mapping[str, Any], l1_memory_desc: object = None) -> None:
        super().__init__()
        config = read_config(params)
        self._namespace = config.namespace
        self._numbers = itertools.count(1)
        self._stores: Results[Any] = Results(create_event_notifier())
        self._lookups: Results[Any] = Results(create_event_notifier())
        self._loads: Results[Any] = Results(create_event_notifier())
        self._causes: dict[str, str | None] = {}
        """Why the last task of each kind failed."""
        self._is_closed = False

        async def connecting() -> Client:
            return await config.connection.connect("kvferry LMCache", connect_timeout=_CONNECT_SECONDS)

        self._loop = LoopThread("kvferry-lmcache")
        self._link = Link(connecting, config.agent)
        self._storing = Storing(self._link, config)
        self._releases = Releases(self._link)
        fetching = Fetching(self._link, self._releases, config)
        self._locks = Locks(self._link, fetching, self._releases, config)
        self._link.start(self._loop)

    def get_store_event_fd(self) -> int:
        return self._stores.fileno

    def get_lookup_and_lock_event_fd(self) -> int:
        return self._lookups.fileno

    def get_load_event_fd(self) -> int:
        return self._loads.fileno

    def submit_store_task(self, keys: list[Any], objects: list[Any]) -> int:
        stored = [
            Stored(self._key(key, one.get_shapes(), one.get_dtypes()), one.byte_array, one.get_size())
            for key, one in zip(keys, objects, strict=True)
        ]
        return self._submit(
            self._storing.store(stored),
            self._stores,
            lambda size: L2StoreResult(True, size),
            L2StoreResult(False, 0),
            "stored",
        )

    def pop_completed_store_tasks(self) -> dict[int, Any]:
        return self._stores.take_all()

    def submit_lookup_and_lock_task(self, keys: list[Any], group_layout_descs: dict[int, Any]) -> int:
        chunks = {}
        for key in keys:
            layout = group_layout_descs.get(key.object_group_id)
            if layout is not None:
                chunks[key] = self._key(key, layout.shapes, layout.dtypes)
        return self._submit(
            self._locks.lookup(chunks),
            self._lookups,
            lambda found: _bitmap([key in found for key in keys]),
            Bitmap(len(keys)),
            "looked up",
        )

    def query_lookup_and_lock_result(self, task_id: int) -> Any:
        return self._lookups.take(task_id)

    def submit_unlock(self, keys: list[Any]) -> None:
        async def unlock() -> None:
            self._locks.unlock(keys)

        try:
            self._loop.begin(unlock())
        except KvferryError as error:
            log.warning("%d chunks were not unlocked, and their leases end by time: %s", len(keys), error)

    def submit_load_task(self, keys: list[Any], objects: list[Any]) -> int:
        wanted = [Wanted(key, one.byte_array, one.get_size()) for key, one in zip(keys, objects, strict=True)]
        return self._submit(
            self._locks.load(wanted),
            self._loads,
            _bitmap,
            Bitmap(len(keys)),
            "loaded",
        )

    def query_load_result(self, task_id: int) -> Any:
        return self._loads.take(task_id)

    def report_status(self) -> dict[str, Any]:
        problem = self._link.problem
        status = {
            "is_healthy": problem is None,
            "type": "kvferry",
            "agent": self._link.agent,
            "locked": self._locks.count,
        }
        return status if problem is None else {**status, "problem": problem}

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True

        async def close() -> None:
            await self._storing.close()
            self._locks.close()
            await self._releases.close()
            await self._link.close()

        try:
            self._loop.run(close(), _CLOSE_SECONDS)
        except KvferryError as error:
            log.warning("kvferry was not closed: %s", error)
        finally:
            self._loop.stop()
            for results in (self._stores, self._lookups, self._loads):
                results.close()

    def _key(self, key: Any, shapes: Any, dtypes: Any) -> str:
        return chunk_key(key, layout_text(shapes, dtypes), self._namespace)

    def _submit(
        self,
        work: Coroutine[Any, Any, T],
        results: Results[Any],
        translate: Callable[[T], R],
        failed: R,
        what: str,
    ) -> int:
        """However the work ends, LMCache gets a result."""
        task = next(self._numbers)

        def ended(future: concurrent.futures.Future[T]) -> None:
            error = None if future.cancelled() else future.exception()
            self._report(what, error)
            results.add(task, failed if future.cancelled() or error is not None else translate(future.result()))

        try:
            self._loop.submit(work).add_done_callback(ended)
        except KvferryError as error:
            self._report(what, error)
            results.add(task, failed)
        return task

    def _report(self, what: str, error: BaseException | None) -> None:
        """One line for each cause, until the same kind of task has a result again."""
        if error is not None and not isinstance(error, KvferryError):
            log.error("chunks were not %s", what, exc_info=error)
            return
        cause = None if error is None else error.code
        if error is not None and self._causes.get(what) != cause:
            log.warning("chunks are not %s: %s", what, error)
        self._causes[what] = cause


def _bitmap(bits: list[bool]) -> Any:
    bitmap = Bitmap(len(bits))
    for index, bit in enumerate(bits):
        if bit:
            bitmap.set(index)
    return bitmap
