"""Copies between vLLM's blocks and chunks in memory of kvferry. A layer's cache is `[blocks, heads, block tokens,
width]`. See `layout.BlockForm` for what lies in a block. On the host numpy copies: a copy of a block costs a third of
that by torch."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

from .lanes import Lane, lane_of

if TYPE_CHECKING:
    from .layout import KvLayout, LayerLayout


@dataclass(frozen=True)
class _Plane:
    """A part of a layer that has every token."""

    cache: Any
    """A tensor, or an array of numpy. The first dimension: blocks."""
    shape: tuple[int, ...]
    """Of its part of a chunk."""
    axis: int
    """The dimension of a chunk that blocks are cut from."""
    step: int
    """What one block takes of it."""


@dataclass(frozen=True)
class _Piece:
    plane: _Plane
    offset: int
    """Of its part in a chunk. Bytes."""
    bytes: int


class Copier(Protocol):
    """Between blocks and chunks. `memory` is what `memory_of` gave."""

    @property
    def chunk_bytes(self) -> int: ...

    @property
    def layer_names(self) -> Sequence[str]: ...

    @property
    def lane(self) -> Lane: ...

    def memory_of(self, memory: memoryview) -> Any:
        """Memory of kvferry, for the other calls."""

    def save(self, blocks: Sequence[int], memory: Any, start: int, layer_names: Sequence[str]) -> None:
        """Copies those layers of the blocks into the chunk that begins at `start`."""

    def load(self, memory: Any, start: int, blocks: Sequence[int | None]) -> None:
        """Copies all layers of the chunk at `start` into the blocks. None: a block that is left as it is."""


class BlockCopier:
    """Made when vLLM has allocated its caches. Layers may be copied in any order, and in any thread."""

    def __init__(self, layout: KvLayout, caches: Mapping[str, Any], *, collects: bool | None = None) -> None:
        """Raises `ValueError` when the caches are not as the layout says. `collects`: a layer of a chunk is put
        together on the device, so that it crosses the bus as one copy. Default: when the device is not the host."""
        self.chunk_bytes = layout.chunk_bytes
        self.lane: Lane = lane_of(next(iter(caches.values())).device)
        self._collects = self.lane.is_asynchronous if collects is None else collects
        self._layers: dict[str, list[_Piece]] = {}
        _check_layers([one.name for one in layout.layers], caches)
        offset = 0
        for one in layout.layers:
            pieces = []
            cache = caches[one.name]
            for plane in _planes(layout, one, cache):
                size = prod(plane.shape) * cache.element_size()
                pieces.append(_Piece(plane if self._collects else _on_host(plane), offset, size))
                offset += size
            self._layers[one.name] = pieces

    @property
    def layer_names(self) -> Sequence[str]:
        return list(self._layers)

    def memory_of(self, memory: memoryview) -> Any:
        return tensor_of(memory) if self._collects else _array_of(memory)

    def save(self, blocks: Sequence[int], memory: Any, start: int, layer_names: Sequence[str]) -> None:
        for name in layer_names:
            for piece in self._layers[name]:
                chunk, plane = _part(piece, memory, start), piece.plane
                collected = plane.cache.new_empty(plane.shape) if self._collects else chunk
                for index, block in enumerate(blocks):
                    collected[_of_block(plane, index)] = plane.cache[block]
                if self._collects:
                    chunk.copy_(collected, non_blocking=True)

    def load(self, memory: Any, start: int, blocks: Sequence[int | None]) -> None:
        for pieces in self._layers.values():
            for piece in pieces:
                chunk, plane = _part(piece, memory, start), piece.plane
                if self._collects:
                    chunk = chunk.to(plane.cache.device, non_blocking=True, copy=True)
                for index, block in enumerate(blocks):
                    if block is not None:
                        plane.cache[block] = chunk[_of_block(plane, index)]


def _check_layers(names: Sequence[str], caches: Mapping[str, Any]) -> None:
    """Each layer has its cache. Further ones may only be other names of these caches: layers that share one."""
    missing = [name for name in names if name not in caches]
    known = {id(caches[name]) for name in names if name in caches}
    others = [name for name, cache in caches.items() if name not in names and id(cache) not in known]
    if missing or others:
        what = f"vLLM has caches for {len(caches)} layers, not {len(names)}"
        raise ValueError(f"{what}; without: {missing}; with others: {others}")


def tensor_of(memory: memoryview) -> Any:
    """The memory as a tensor of bytes, without a copy. Memory that must not be written gives a tensor too: do not write
    to it. The tensor keeps the memory."""
    import torch

    array = _array_of(memory)
    # torch warns about a buffer that is read-only, and not about an address.
    raw: Any = (ctypes.c_uint8 * array.nbytes).from_address(array.ctypes.data)
    raw.kept = array
    return torch.frombuffer(raw, dtype=torch.uint8)


def _array_of(memory: memoryview) -> Any:
    import numpy

    return numpy.frombuffer(memory, dtype=numpy.uint8)


def _on_host(plane: _Plane) -> _Plane:
    """The same memory as an array of integers: numpy does not know every type of torch."""
    import torch

    integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[plane.cache.element_size()]
    return replace(plane, cache=plane.cache.view(integers).numpy())


def _planes(layout: KvLayout, layer: LayerLayout, cache: Any) -> list[_Plane]:
    """The parts of a layer, in the order in which they lie in a chunk."""
    heads, block, chunk = layer.heads, layout.block_tokens, layout.chunk_tokens
    width = layer.width // cache.element_size()
    if tuple(cache.shape[1:]) != (heads, block, width):
        shape = f"[blocks, {heads}, {block}, {width}]"
        raise ValueError(f"the cache of layer {layer.name} is {list(cache.shape)}, not {shape}: set another block size")
    if layout.form == "rows":
        return [_Plane(cache, (heads, chunk, width), axis=1, step=block)]
    if layout.form == "whole":
        # A block is one element of the first dimension.
        return [_Plane(cache.unsqueeze(1), (layout.blocks_per_chunk, heads, block, width), axis=0, step=1)]
    half = width // 2
    flat = cache.view((cache.shape[0], heads, block * width))
    keys, values = flat[..., : block * half], flat[..., block * half :]
    return [
        _Plane(keys.unflatten(2, (half, block)), (heads, half, chunk), axis=2, step=block),
        _Plane(values.unflatten(2, (block, half)), (heads, chunk, half), axis=1, step=block),
    ]


def _part(piece: _Piece, memory: Any, start: int) -> Any:
    begin = start + piece.offset
    return memory[begin : begin + piece.bytes].view(piece.plane.cache.dtype).reshape(piece.plane.shape)


def _of_block(plane: _Plane, index: int) -> tuple[slice, ...]:
    """Where a block lies in a chunk."""
    return (slice(None),) * plane.axis + (slice(index * plane.step, (index + 1) * plane.step),)
