"""How the KV cache of a chunk of tokens lies in memory. The layers are one behind the other. Where the order of bytes
in a block is known, a chunk has the same bytes for every block size."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

FORMAT = 1
"""Of the chunks. Another number when the same prompt would give other bytes, or other keys."""

BlockForm = Literal["rows", "columns", "whole"]
"""How a block of one head lies in memory. `rows`: token after token. `columns`: the keys, component after component,
and then the values, token after token. `whole`: not known, so that blocks are moved as they are, and have one size."""

_REMEDIES = {
    "model": "set one model_id and one revision on both servers if it is one model",
    "dtype": "start both servers with one --dtype",
    "cache_dtype": "start both servers with one --kv-cache-dtype",
    "chunk_tokens": "set one chunk_tokens on both servers, a multiple of both block sizes",
    "ranks": "start both servers with one --tensor-parallel-size",
    "block_tokens": "start both servers with one --block-size",
    "config": "start both servers with one --hf-overrides and one --max-model-len",
}
"""By part of the layout. Other parts follow from the model and the hardware."""

_KINDS = frozenset({"FullAttentionSpec", "MLAAttentionSpec"})


@dataclass(frozen=True)
class LayerLayout:
    name: str
    heads: int
    width: int
    """Bytes of one token of one head: key and value together."""


@dataclass(frozen=True)
class KvLayout:
    layers: tuple[LayerLayout, ...]
    """In the order in which they lie in a chunk."""
    block_tokens: int
    chunk_tokens: int
    form: BlockForm
    text: str
    """Everything that two engines must have in common. Compared before anything moves."""

    @property
    def chunk_bytes(self) -> int:
        return self.chunk_tokens * sum(layer.heads * layer.width for layer in self.layers)

    @property
    def blocks_per_chunk(self) -> int:
        return self.chunk_tokens // self.block_tokens

    @property
    def seed(self) -> bytes:
        """The first link of the chain of keys."""
        return hashlib.sha256(self.text.encode()).digest()


@dataclass(frozen=True)
class ModelFacts:
    """What changes the bytes of a cache beside the tokens."""

    model_id: str
    revision: str
    dtype: str
    cache_dtype: str
    backend: str
    """Of attention: it decides the order of bytes in a block."""
    form: BlockForm
    ranks: int
    config: str = ""
    """What else changes the numbers in a cache, and not its shape: `backend.config_marks`."""


class Group(Protocol):
    @property
    def layer_names(self) -> Iterable[str]: ...

    @property
    def kv_cache_spec(self) -> Any: ...


def check_groups(groups: Sequence[Group]) -> None:
    """Raises `ValueError` when blocks of this model are not all of one kind."""
    if len(groups) != 1:
        what = f"this model has {len(groups)} groups of KV caches"
        raise ValueError(f"{what}, and kvferry moves one: start vLLM with --disable-hybrid-kv-cache-manager")


def read_layout(groups: Sequence[Group], model: ModelFacts, chunk_tokens: int) -> KvLayout:
    """`groups`: those of vLLM's `KVCacheConfig`. Raises `ValueError` for caches that are no blocks of tokens."""
    check_groups(groups)
    group = groups[0]
    specs = _specs(group)
    layers = tuple(_layer(name, specs[name]) for name in sorted(specs, key=_natural))
    block_tokens = int(group.kv_cache_spec.block_size)
    text = _text(layers, model, chunk_tokens, block_tokens)
    return KvLayout(layers, block_tokens, chunk_tokens, model.form, text)


def differences(other: str, own: str) -> str:
    """For people: the parts of two layouts that differ, and what to do."""
    theirs, ours = _parts(other), _parts(own)
    names = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    parts = ", ".join(f"{name} is {theirs.get(name)} there and {ours.get(name)} here" for name in names)
    remedies = [_REMEDIES[name] for name in names if name in _REMEDIES]
    return f"{parts}: {'; '.join(remedies)}" if remedies else parts


def _specs(group: Group) -> Mapping[str, Any]:
    several: Mapping[str, Any] | None = getattr(group.kv_cache_spec, "kv_cache_specs", None)
    return several if several is not None else dict.fromkeys(group.layer_names, group.kv_cache_spec)


def _layer(name: str, spec: Any) -> LayerLayout:
    kinds = {kind.__name__ for kind in type(spec).__mro__}
    if not kinds & _KINDS:
        raise ValueError(f"layer {name} has a cache of kind {type(spec).__name__}, which kvferry does not move")
    if getattr(spec, "non_causal", False):
        what = "in which tokens depend on later ones (non_causal)"
        raise ValueError(f"layer {name} has a cache {what}: kvferry does not move it, because it knows prefixes only")
    heads = int(getattr(spec, "num_heads", spec.num_kv_heads))
    page = int(getattr(spec, "unpadded_page_size_bytes", spec.page_size_bytes))
    cells = heads * int(spec.block_size)
    if page % cells != 0:
        raise ValueError(f"layer {name} has blocks of {page} bytes, which are not {cells} equal parts")
    return LayerLayout(name, heads, page // cells)


def _natural(name: str) -> list[tuple[int, str]]:
    """Layer 10 comes after layer 9."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _text(layers: tuple[LayerLayout, ...], model: ModelFacts, chunk_tokens: int, block_tokens: int) -> str:
    shapes = hashlib.sha256(json.dumps([(one.name, one.heads, one.width) for one in layers]).encode()).hexdigest()
    heads, widths = {one.heads for one in layers}, {one.width for one in layers}
    name = hashlib.sha256(json.dumps([model.model_id, model.revision]).encode()).hexdigest()
    parts: dict[str, str | int] = {
        "format": FORMAT,
        "model": f"{model.model_id.rstrip('/').rsplit('/', 1)[-1]}#{name[:8]}",
        "dtype": model.dtype,
        "cache_dtype": model.cache_dtype,
        "backend": model.backend,
        "form": model.form,
        "layers": f"{len(layers)}#{shapes[:8]}",
        "heads": max(heads),
        "width": max(widths),
        "chunk_tokens": chunk_tokens,
        "ranks": model.ranks,
    }
    if model.form == "whole":
        parts["block_tokens"] = block_tokens
    if model.config:
        parts["config"] = model.config
    return ";".join(f"{key}={value}" for key, value in parts.items())


def _parts(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (part.partition("=") for part in text.split(";"))}
