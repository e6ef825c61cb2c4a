"""The sending side of a fake agent: segments, requests on their way out, and what they still read."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import ErrorDetails, KvferryError, invalid_field
from ..protocol.constants import End


@dataclass
class Segment:
    path: str
    identity: tuple[int, int, int]
    """Device, inode and size."""
    file: int
    session: str | None


@dataclass(eq=False)
class Sent:
    """A request on its way out."""

    request: str
    receiver: str | None
    """None: offered, until a router names it."""
    session: str | None
    total: int
    until: float
    skip: int = 0
    """So many chunks at the beginning do not travel."""
    batches: list[list[str]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    places: dict[tuple[int, int], tuple[str, int, dict[str, Any]]] = field(default_factory=dict)
    """Segment, offset and run of each position that is still read, by batch and position."""
    is_complete: bool = False
    written: int = 0
    deduplicated: int = 0
    bytes: int = 0
    end: End | None = None
    reason: KvferryError | None = None
    work: asyncio.Task[None] | None = None
    routed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the receiver is known."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when another batch has come."""


_SHARED = "engine and agent must see the same directory"


class Segments:
    def __init__(self) -> None:
        self.by_name: dict[str, Segment] = {}

    def attach(self, name: str, path: str, session: str | None, is_read: Callable[[str], bool]) -> int:
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise KvferryError("segment_not_found", f"{path}: {error.strerror}: {_SHARED}") from error
        state = os.fstat(file)
        identity = (state.st_dev, state.st_ino, state.st_size)
        known = self.by_name.get(name)
        try:
            if state.st_size == 0:
                raise KvferryError("segment_invalid", f"{path} is empty")
            if known is not None:
                self._check_again(name, known, identity, session, is_read)
                known.session = session
                return state.st_size
            self.by_name[name] = Segment(path, identity, file, session)
            file = -1
            return state.st_size
        finally:
            if file >= 0:
                os.close(file)

    def detach(self, name: str, session: str | None, is_read: Callable[[str], bool]) -> None:
        known = self.by_name.get(name)
        if known is None:
            raise KvferryError("segment_not_found", f"no segment {name} is attached")
        if known.session is not None and known.session != session:
            raise _wrong_session(f"segment {name}", known.session)
        if is_read(name):
            raise KvferryError("segment_in_use", f"chunks of segment {name} are still read")
        self.drop(name)

    def drop(self, name: str) -> None:
        os.close(self.by_name.pop(name).file)

    def close(self) -> None:
        for name in list(self.by_name):
            self.drop(name)

    def check(self, run: dict[str, Any], page_bytes: int | None, session: str | None) -> None:
        """Raises when an agent would refuse this run of chunks."""
        segment = self.by_name.get(run["segment"])
        if segment is None:
            raise KvferryError("segment_not_found", f"no segment {run['segment']} is attached")
        if segment.session is not None and segment.session != session:
            raise _wrong_session(f"segment {run['segment']}", segment.session)
        count, pieces = run.get("count", 1), run.get("pieces", {"count": 1, "stride": run["length"]})
        piece = run["length"] // pieces["count"]
        last = run["offset"] + (count - 1) * run.get("stride", piece) + (pieces["count"] - 1) * pieces["stride"] + piece
        if last > segment.identity[2]:
            raise invalid_field("source", f"the chunks end at {last}, the segment at {segment.identity[2]}")
        if page_bytes is not None and run["length"] > page_bytes:
            raise invalid_field("source", f"chunks of {run['length']} bytes are longer than a page of {page_bytes}")

    def read(self, name: str, offset: int, run: dict[str, Any]) -> bytes:
        file = self.by_name[name].file
        pieces = run.get("pieces", {"count": 1, "stride": run["length"]})
        piece = run["length"] // pieces["count"]
        return b"".join(os.pread(file, piece, offset + at * pieces["stride"]) for at in range(pieces["count"]))

    def _check_again(
        self,
        name: str,
        known: Segment,
        identity: tuple[int, int, int],
        session: str | None,
        is_read: Callable[[str], bool],
    ) -> None:
        is_held = known.session is not None and known.session != session
        if known.identity != identity:
            details = ErrorDetails(session=known.session if is_held else None)
            raise KvferryError("segment_exists", f"another file is attached as {name}", details=details)
        if is_held and known.session is not None:
            raise _wrong_session(f"segment {name}", known.session)
        if known.session is None and session is not None and is_read(name):
            raise KvferryError("segment_in_use", f"chunks of segment {name} are still read")


def _wrong_session(what: str, session: str | None) -> KvferryError:
    return KvferryError("wrong_session", f"{what} is of another session", details=ErrorDetails(session=session))


def wrong_session(request: Sent) -> KvferryError:
    return _wrong_session(f"request {request.request}", request.session)


def places_of(batch: int, runs: list[dict[str, Any]]) -> dict[tuple[int, int], tuple[str, int, dict[str, Any]]]:
    """Where each position of a batch lies."""
    found: dict[tuple[int, int], tuple[str, int, dict[str, Any]]] = {}
    position = 0
    for run in runs:
        piece = run["length"] // run.get("pieces", {"count": 1})["count"]
        for index in range(run.get("count", 1)):
            found[batch, position] = (run["segment"], run["offset"] + index * run.get("stride", piece), run)
            position += 1
    return found
