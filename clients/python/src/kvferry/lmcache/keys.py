"""Names of LMCache's chunks. Two chunks have one name when LMCache's keys and the layouts are equal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Protocol

NAMES_OF_A_CHUNK = 8
"""A request goes to one receiver, and an agent remembers for 10 minutes that it has ended. A chunk for several
receivers, and one that is stored again, has further names."""


class ObjectKey(Protocol):
    """What is read of LMCache's `ObjectKey`."""

    @property
    def chunk_hash(self) -> bytes: ...
    @property
    def model_name(self) -> str: ...
    @property
    def kv_rank(self) -> int:
        """Contains the number of workers and the worker."""

    @property
    def object_group_id(self) -> int: ...
    @property
    def cache_salt(self) -> str: ...


def layout_text(shapes: Iterable[Sequence[int]], dtypes: Iterable[object]) -> str:
    """LMCache's keys do not name the type of the numbers."""
    return json.dumps([[list(shape) for shape in shapes], [str(dtype) for dtype in dtypes]])


def chunk_key(key: ObjectKey, layout: str, namespace: str) -> str:
    """The key of a chunk in kvferry."""
    parts = [
        key.chunk_hash.hex(),
        key.model_name,
        key.kv_rank,
        key.object_group_id,
        key.cache_salt,
        layout,
        namespace,
    ]
    return f"lmcache@{hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"


def offers_of(chunk: str) -> list[str]:
    """The request ids under which a chunk is offered. The decode server needs nothing but the key to name them."""
    digest = hashlib.sha256(chunk.encode()).hexdigest()[:40]
    return [f"lmcache-{digest}-{number}" for number in range(NAMES_OF_A_CHUNK)]
