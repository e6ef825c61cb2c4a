"""How chunks become messages: runs of chunks at equal distances, and batches that NATS carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from .protocol.codec import json_bytes
from .protocol.constants import KEYS_PER_BATCH_MAX

if TYPE_CHECKING:
    from .protocol.messages import Ranks, SourceRun
    from .source_pool import SourceChunk

T = TypeVar("T")

_FRAME_BYTES = 800
"""What a `put`, and the `allocate` that follows from it, take at most apart from keys, places and ranks."""
_RUN_BYTES_MAX = 160
"""What the place of a chunk takes at most, when it is a run of its own."""
_PIECES_BYTES_MAX = 60


def source_runs(chunks: Sequence[SourceChunk]) -> list[SourceRun]:
    """The places of the chunks, in their order. Chunks of one run have one length and lie in one segment."""
    runs: list[SourceRun] = []
    for chunk in chunks:
        if runs and _goes_on(runs[-1], chunk):
            run = runs[-1]
            if run.get("count", 1) == 1:
                run["stride"] = chunk.offset - run["offset"]
            run["count"] = run.get("count", 1) + 1
            continue
        one: SourceRun = {"segment": chunk.segment, "offset": chunk.offset, "length": chunk.length, "count": 1}
        if chunk.pieces is not None:
            one["pieces"] = chunk.pieces
        runs.append(one)
    return runs


def _goes_on(run: SourceRun, chunk: SourceChunk) -> bool:
    """A run of one chunk takes any chunk behind its first piece; a longer run takes only the chunk at its
    distance."""
    pieces = run.get("pieces")
    if run["segment"] != chunk.segment or run["length"] != chunk.length or pieces != chunk.pieces:
        return False
    count = run.get("count", 1)
    if count == 1:
        piece = run["length"] // (1 if pieces is None else pieces["count"])
        return chunk.offset >= run["offset"] + piece
    return chunk.offset == run["offset"] + count * run["stride"]


def cut_into_batches(chunks: Sequence[SourceChunk], ranks: Ranks | None, bytes_max: int) -> list[list[SourceChunk]]:
    """One batch if it fits into a message of `bytes_max` bytes, otherwise several, in order."""
    room = bytes_max - _FRAME_BYTES - (0 if ranks is None else len(json_bytes(ranks)))
    if len(chunks) <= KEYS_PER_BATCH_MAX:
        keys = len(json_bytes([chunk.key for chunk in chunks]))
        if keys + len(json_bytes(source_runs(chunks))) <= room:
            return [list(chunks)]

    def bytes_of(chunk: SourceChunk) -> int:
        return len(json_bytes(chunk.key)) + _RUN_BYTES_MAX + (0 if chunk.pieces is None else _PIECES_BYTES_MAX)

    return in_messages(chunks, KEYS_PER_BATCH_MAX, bytes_of, room)


def in_messages(elements: Sequence[T], length_max: int, bytes_of: Callable[[T], int], bytes_max: int) -> list[list[T]]:
    """Cuts a list into parts: each has at most `length_max` elements, and at most `bytes_max` bytes by `bytes_of`.
    An element that is larger than that is a part of its own. An empty list is one empty part."""
    parts: list[list[T]] = [[]]
    left = bytes_max
    for element in elements:
        size = bytes_of(element) + 1
        if parts[-1] and (len(parts[-1]) >= length_max or size > left):
            parts.append([])
            left = bytes_max
        parts[-1].append(element)
        left -= size
    return parts
