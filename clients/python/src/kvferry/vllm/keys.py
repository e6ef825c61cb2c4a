"""The keys of the chunks of a prompt: a chain of hashes. Two chunks have one key when their bytes are equal: the same
model, weights and layout, the same tokens, and the same tokens before them."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .weights import UNCHANGED

if TYPE_CHECKING:
    from .engine_types import Feature, Request
    from .layout import KvLayout


def chunk_keys(request: Request, layout: KvLayout, weights: str = UNCHANGED) -> list[str]:
    """The keys of the whole chunks of the prompt, without the rank. `weights`: what the prefill server computes it
    with (`Weights.name`). A prompt that is not made of tokens alone (`prompt_embeds`) has none."""
    tokens = request.prompt_token_ids
    if tokens is None or request.prompt_embeds is not None:
        return []
    size = layout.chunk_tokens
    parent = _first_link(request, layout, weights)
    keys = []
    for start in range(0, len(tokens) - size + 1, size):
        link = hashlib.sha256(parent)
        link.update(struct.pack(f"<{size}q", *tokens[start : start + size]))
        link.update(json.dumps(_features_in(request.mm_features, start, size)).encode())
        parent = link.digest()
        keys.append(parent.hex())
    return keys


def rank_key(key: str, rank: int, ranks: int) -> str:
    """The key of the part that one tensor parallel rank has."""
    return f"vllm@{ranks}@{rank}@{key}"


def _first_link(request: Request, layout: KvLayout, weights: str) -> bytes:
    lora = None if request.lora_request is None else request.lora_request.lora_name
    if lora is None and request.cache_salt is None and weights == UNCHANGED:
        return layout.seed
    parts = [lora, request.cache_salt, *([] if weights == UNCHANGED else [weights])]
    return hashlib.sha256(layout.seed + json.dumps(parts).encode()).digest()


def _features_in(features: Sequence[Feature], start: int, size: int) -> list[tuple[str, int]]:
    """The images and sounds whose tokens lie in a chunk, and where they begin."""
    return [
        (feature.identifier, feature.mm_position.offset - start)
        for feature in features
        if feature.mm_position.offset < start + size and feature.mm_position.offset + feature.mm_position.length > start
    ]
