"""How vLLM's attention backend arranges a block. The only part that reads inside of vLLM, beside its connector API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from .layout import BlockForm

_PLAIN = frozenset({"float32", "bfloat16", "float16"})
_COLUMNS = frozenset({"vec", "vec16"})
"""Kernels of vLLM's CPU backend whose arrangement was checked."""


def block_form(vllm_config: Any, spec: Any, cache_dtype: str) -> tuple[str, BlockForm]:
    """The name of the backend, and the form of its blocks. Caches with scales in them are moved as whole blocks."""
    from vllm.platforms import current_platform

    names = _backend_names(vllm_config)
    backend = "+".join(names)
    if current_platform.device_type == "cpu":
        kernel = _cpu_kernel(vllm_config, spec)
        columns = kernel in _COLUMNS and cache_dtype in _PLAIN and _has_equal_halves(spec)
        return f"{backend}/{kernel}", "columns" if columns else "whole"
    # Elsewhere a kernel may shuffle a block.
    is_plain = current_platform.is_cuda() and (cache_dtype in _PLAIN or cache_dtype.startswith("fp8"))
    return backend, "rows" if is_plain and len(names) == 1 else "whole"


def config_marks(model: Any) -> str:
    """What the options of a server change of the numbers in a cache, beside its types and shapes: positions above all.
    `model`: vLLM's `ModelConfig`. Empty for most servers."""
    marks = []
    if model.hf_overrides:
        given = model.hf_overrides
        is_text = isinstance(given, Mapping)
        text = json.dumps(given, sort_keys=True, default=str) if is_text else getattr(given, "__qualname__", "function")
        marks.append(f"overrides#{hashlib.sha256(text.encode()).hexdigest()[:8]}")
    known = model.hf_text_config
    for rope in _ropes(getattr(known, "rope_parameters", None)):
        name = "original_max_position_embeddings"
        original = rope.get(name, getattr(known, name, None))
        if rope.get("rope_type") == "longrope" and original is not None:
            # vLLM chooses the factors of positions by the longest prompt that the server takes.
            marks.append("long" if model.max_model_len > original else "short")
    return "+".join(marks)


def _ropes(parameters: Any) -> Iterator[Mapping[str, Any]]:
    """Of the model, or of each kind of layers."""
    if isinstance(parameters, Mapping):
        yield parameters
        yield from (one for one in parameters.values() if isinstance(one, Mapping))


def _backend_names(vllm_config: Any) -> list[str]:
    try:
        from vllm.distributed.kv_transfer.kv_connector.utils import get_current_attn_backends
    except ImportError:
        return []
    return sorted(backend.get_name() for backend in get_current_attn_backends(vllm_config))


def _cpu_kernel(vllm_config: Any, spec: Any) -> str:
    try:
        from vllm.v1.attention.backends.cpu_attn import _get_attn_isa
    except ImportError:
        return "unknown"
    dtype, cache_dtype = vllm_config.model_config.dtype, vllm_config.cache_config.cache_dtype
    return str(_get_attn_isa(dtype, spec.block_size, spec.head_size, cache_dtype))


def _has_equal_halves(spec: Any) -> bool:
    """Keys and values of one size."""
    return bool(getattr(spec, "head_size_v", spec.head_size) == spec.head_size)
