"""Source memory: a file in shared memory, cut into slots. An engine fills the slots and its prefill agent reads
them."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import mmap
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .errors import KvferryError, invalid_field
from .views import numpy_view, torch_view

if TYPE_CHECKING:
    from typing_extensions import Self

    from .protocol.messages import Pieces

_OWNER_ONLY = 0o600


@dataclass(frozen=True, eq=False)
class SourceChunk:
    """Where a chunk lies in a segment that the agent has attached. The caller answers for its bytes."""

    key: str
    segment: str
    offset: int
    """Bytes from the start of the segment."""
    length: int
    """Bytes of the chunk."""
    pieces: Pieces | None = None
    """A chunk that lies in pieces of equal length. Default: one piece."""


@dataclass(frozen=True, eq=False)
class SlotChunk(SourceChunk):
    """A chunk in a slot of a `SourcePool`. It can be written until it is put or discarded."""

    pool: SourcePool | None = None

    @property
    def view(self) -> memoryview:
        """The bytes of the chunk. Raises `invalid_field` when the slot is not this chunk's any more."""
        if self.pool is None or not self.pool.is_filled(self):
            message = f"chunk {self.key!r} was put or discarded: its slot may hold another chunk"
            raise invalid_field("chunk", message)
        return self.pool.memory[self.offset : self.offset + self.length]

    def numpy(self, dtype: Any = "uint8", shape: Sequence[int] | None = None) -> Any:
        """The bytes as an array. Do not keep it after the chunk was put."""
        return numpy_view(self.view, dtype, shape)

    def torch(self, dtype: Any = None, shape: Sequence[int] | None = None) -> Any:
        """The bytes as a tensor. Do not keep it after the chunk was put."""
        return torch_view(self.view, dtype, shape)


class SourcePool:
    """Make it with `create`. It belongs to one engine. Unmapped when the last view is gone."""

    def __init__(self, segment: str, name: str, path: str, file: int, slot_bytes: int, slots: int) -> None:
        """`name` and `path` are names of the file: the first one belongs to one engine, the second one to one run."""
        self.segment = segment
        self.path = path
        self._name = name
        self.slot_bytes = slot_bytes
        self.slots = slots
        self._file = file
        self._memory = memoryview(mmap.mmap(file, slot_bytes * slots))
        self._filled: dict[int, SlotChunk] = {}

    @classmethod
    def create(
        cls,
        segment: str,
        *,
        slot_bytes: int,
        slots: int,
        directory: str = "/dev/shm",
        mode: int = _OWNER_ONLY,
    ) -> SourcePool:
        """Makes the file `kvferry-<segment>`. A file that a dead engine of this name left behind is removed first.
        The file has a second name, with a random part, which the agent gets: an agent that sees another directory
        finds no file there, and cannot take another one for it. `mode` says who may open it: the agent must be one of
        them. Raises `segment_exists` when an engine of this name runs, and `segment_invalid` when there is no
        memory."""
        if slot_bytes < 1 or slots < 1:
            raise invalid_field("slots", f"{slots} slots of {slot_bytes} bytes are no memory")
        name = os.path.join(directory, f"kvferry-{segment}")
        path = f"{name}.{secrets.token_hex(8)}"
        for left in (*_of_runs(name), name):
            _remove_abandoned(left, name)
        try:
            file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        except FileExistsError:
            raise _in_use(name) from None
        except OSError as error:
            raise KvferryError("segment_invalid", f"{name} cannot be made: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Memory is taken now: a write to memory that the system does not have ends the process.
            os.posix_fallocate(file, 0, slot_bytes * slots)
            os.link(name, path)
            return cls(segment, name, path, file, slot_bytes, slots)
        except BaseException as error:
            os.close(file)
            _unlink(path)
            _unlink(name)
            if not isinstance(error, OSError):
                raise
            message = f"{directory} has no room for {slots} slots of {slot_bytes} bytes: {error.strerror}"
            raise KvferryError("segment_invalid", message) from error

    @property
    def memory(self) -> memoryview:
        return self._memory

    def place(self, key: str, slot: int, length: int) -> SlotChunk:
        """For the engine: a slot now belongs to this chunk, which the caller fills."""
        chunk = SlotChunk(key, self.segment, slot * self.slot_bytes, length, None, self)
        self._filled[slot] = chunk
        return chunk

    def slot_of(self, chunk: SourceChunk) -> int | None:
        """None: the chunk lies in other memory."""
        return chunk.offset // self.slot_bytes if chunk.segment == self.segment else None

    def is_filled(self, chunk: SourceChunk) -> bool:
        """Whether the slot is this chunk's: it was neither put nor discarded."""
        slot = self.slot_of(chunk)
        return slot is not None and self._filled.get(slot) is chunk

    def leave(self, slot: int) -> None:
        """For the engine: the slot's chunk was put or discarded."""
        self._filled.pop(slot, None)

    def close(self) -> None:
        """Takes the names of the file away. Close the engine first. An agent that still has the file keeps it.
        Idempotent."""
        if self._file < 0:
            return
        _unlink(self.path)
        _unlink(self._name)
        os.close(self._file)
        self._file = -1
        self._filled.clear()
        self._memory = memoryview(b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _of_runs(name: str) -> list[str]:
    """The names of a file that its runs gave to agents. They are removed first, so that none is left alone."""
    return glob.glob(f"{glob.escape(name)}.{'[0-9a-f]' * 16}")


def _remove_abandoned(path: str, name: str) -> None:
    """A living engine holds a lock on its file."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    except OSError as error:
        raise KvferryError("segment_exists", f"{path} is there and cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file), os.stat(path)):
            os.unlink(path)
    except BlockingIOError:
        raise _in_use(name) from None
    except FileNotFoundError:
        return
    finally:
        os.close(file)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _in_use(name: str) -> KvferryError:
    remedy = "name another segment, or the agent that is this engine's own"
    return KvferryError("segment_exists", f"{name} belongs to an engine that runs: {remedy}")
