"""What LMCache has looked up and not unlocked yet: leases of pages in the arena, and the copies out of them."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..waiting import in_background, now
from .copying import copy

if TYPE_CHECKING:
    from ..acquired import Acquired, Page
    from .config import AdapterConfig
    from .fetching import Fetching
    from .link import Link
    from .releases import Releases

log = logging.getLogger("lmcache.kvferry")


@dataclass(eq=False)
class _Lease:
    """Of one lookup. Given back when each of its keys was unlocked."""

    acquired: Acquired
    pages: dict[Hashable, Page]
    """Those that are locked."""


@dataclass(frozen=True)
class Wanted:
    key: Hashable
    """LMCache's."""
    bytes: Any
    """A buffer that the chunk is copied to."""
    length: int


class Locks:
    """Owned by the event loop."""

    def __init__(self, link: Link, fetching: Fetching, releases: Releases, config: AdapterConfig) -> None:
        self._link = link
        self._fetching = fetching
        self._releases = releases
        self._config = config
        self._leases: dict[Hashable, list[_Lease]] = {}

    async def lookup(self, chunks: Mapping[Hashable, str]) -> set[Hashable]:
        """Locks those chunks that are in the arena, or come when they are asked for. Takes LMCache's key and kvferry's
        of each chunk. Returns LMCache's keys of what was found."""
        until = now() + self._config.lookup_timeout
        self._drop_expired()
        there = self._link.connected
        if not there.loads or not chunks:
            return set()
        request, epoch, names = f"lmcache-{secrets.token_hex(16)}", secrets.token_hex(8), list(chunks.values())
        try:
            acquired = await there.decode.take(request, epoch, names)
            if acquired.missing and self._config.senders:
                async with self._fetching.fetched(acquired.missing, until):
                    # Also those that another lookup has fetched meanwhile.
                    acquired = await there.decode.take(request, epoch, names)
        except BaseException:
            self._releases.release(request, epoch)
            raise
        pages = {page.key: page for page in acquired.pages}
        found = {key: pages[name] for key, name in chunks.items() if name in pages}
        if not found:
            self._releases.release(request, epoch)
            return set()
        lease = _Lease(acquired, found)
        for key in found:
            self._leases.setdefault(key, []).append(lease)
        return set(found)

    async def load(self, wanted: Sequence[Wanted]) -> list[bool]:
        """Copies locked chunks. Returns which of them are right."""
        leased = [self._leased(one) for one in wanted]

        def copy_all() -> None:
            for one, lease in zip(wanted, leased, strict=True):
                if lease is not None:
                    copy(lease.pages[one.key].view, one.bytes)

        # A thread cannot be cancelled, and writes to memory of the caller.
        await asyncio.shield(in_background(asyncio.to_thread(copy_all)))
        # A lease that ended meanwhile: the page may have had other bytes.
        return [lease is not None and lease.acquired.is_leased for lease in leased]

    def unlock(self, keys: Iterable[Hashable]) -> None:
        """Each key once for each lookup that has found it."""
        for key in keys:
            leases = self._leases.get(key)
            if leases:
                self._unlock(key, leases[0])

    def close(self) -> None:
        """Gives back what LMCache has not unlocked."""
        for key in list(self._leases):
            for lease in list(self._leases[key]):
                self._unlock(key, lease)

    @property
    def count(self) -> int:
        """Keys that are locked."""
        return len(self._leases)

    def _leased(self, wanted: Wanted) -> _Lease | None:
        lease = next((one for one in self._leases.get(wanted.key, []) if one.acquired.is_leased), None)
        if lease is None:
            log.warning("a chunk is computed again: its lease is over, or it was not looked up")
            return None
        page = lease.pages[wanted.key]
        if len(page.view) != wanted.length:
            log.error("chunk %s has %d bytes, and LMCache expects %d", page.key, len(page.view), wanted.length)
            return None
        return lease

    def _unlock(self, key: Hashable, lease: _Lease) -> None:
        leases = self._leases[key]
        leases.remove(lease)
        if not leases:
            del self._leases[key]
        del lease.pages[key]
        if not lease.pages:
            lease.acquired.close()
            self._releases.release(lease.acquired.request, lease.acquired.epoch)

    def _drop_expired(self) -> None:
        """Of lookups that were never unlocked: the agent has its pages back."""
        expired = {lease for leases in self._leases.values() for lease in leases if not lease.acquired.is_leased}
        for lease in expired:
            for key in list(lease.pages):
                self._unlock(key, lease)
