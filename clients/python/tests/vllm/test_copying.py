"""Copies between blocks and chunks. They need torch, which the environment of vLLM has."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from kvferry.vllm.copying import BlockCopier, tensor_of
from kvferry.vllm.layout import BlockForm, KvLayout, read_layout

from .engines import FakeGroup, FullAttentionSpec, facts

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed: npm run test:vllm runs these tests"
)

HEADS, HALF, BLOCKS, CHUNK = 2, 6, 9, 16
LAYERS = ("layers.0", "layers.1")
ITEM = 4
"""Bytes of a float32."""


def made(form: BlockForm, block_tokens: int, item: int = ITEM) -> KvLayout:
    spec = FullAttentionSpec(block_tokens, HEADS, 2 * HALF * item)
    return read_layout([FakeGroup(spec, LAYERS)], facts(form=form), CHUNK)


def empty(block_tokens: int) -> dict[str, Any]:
    import torch

    return {name: torch.zeros(BLOCKS, HEADS, block_tokens, 2 * HALF) for name in LAYERS}


def write(cache: Any, form: BlockForm, block: int, keys: Any, values: Any) -> None:
    """As vLLM's backend of that form: keys and values of one block, `[heads, tokens, half]`."""
    import torch

    if form == "columns":
        flat = torch.cat([keys.transpose(1, 2).flatten(1), values.flatten(1)], dim=1)
        cache[block] = flat.view(cache[block].shape)
    else:
        cache[block] = torch.cat([keys, values], dim=2)


def fill(form: BlockForm, block_tokens: int, blocks: list[int]) -> dict[str, Any]:
    """Caches that have one chunk in those blocks."""
    import torch

    caches = empty(block_tokens)
    for number, cache in enumerate(caches.values()):
        generator = torch.Generator().manual_seed(number)
        keys = torch.rand(HEADS, CHUNK, HALF, generator=generator)
        values = torch.rand(HEADS, CHUNK, HALF, generator=generator)
        for index, block in enumerate(blocks):
            part = slice(index * block_tokens, (index + 1) * block_tokens)
            write(cache, form, block, keys[:, part], values[:, part])
    return caches


@pytest.mark.parametrize("form", ["rows", "columns"])
@pytest.mark.parametrize(("source", "target"), [(4, 4), (4, 16), (16, 8)])
@pytest.mark.parametrize("collects", [False, True])
def test_blocks_of_another_size_get_the_same_tokens(form: BlockForm, source: int, target: int, collects: bool) -> None:
    import torch

    memory = bytearray(3 * made(form, source).chunk_bytes)
    start = made(form, source).chunk_bytes
    blocks = [7, 2, 5, 1][: CHUNK // source]
    saving = BlockCopier(made(form, source), fill(form, source, blocks), collects=collects)
    for name in saving.layer_names:
        saving.save(blocks, saving.memory_of(memoryview(memory)), start, [name])
    caches, into = empty(target), [8, 3, 6, 4][: CHUNK // target]
    loading = BlockCopier(made(form, target), caches, collects=collects)
    # An engine cannot write to the arena.
    loading.load(loading.memory_of(memoryview(memory).toreadonly()), start, into)
    wanted = fill(form, target, into)
    assert all(torch.equal(caches[name], wanted[name]) for name in LAYERS)
    assert not any(memory[:start])
    assert not any(memory[2 * start :])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float8_e4m3fn"])
def test_whole_blocks_come_as_they_were_and_some_are_left_out(dtype: str) -> None:
    import torch

    number = getattr(torch, dtype)
    caches = {name: cache.to(number) for name, cache in fill("rows", 8, [3, 4]).items()}
    layout = made("whole", 8, caches[LAYERS[0]].element_size())
    memory = bytearray(layout.chunk_bytes)
    copier = BlockCopier(layout, caches)
    copier.save([3, 4], copier.memory_of(memoryview(memory)), 0, copier.layer_names)
    loaded = {name: cache.to(number) for name, cache in empty(8).items()}
    loading = BlockCopier(layout, loaded)
    loading.load(loading.memory_of(memoryview(memory)), 0, [None, 1])
    for name in LAYERS:
        assert torch.equal(loaded[name][1].view(torch.uint8), caches[name][4].view(torch.uint8))
        assert not loaded[name][2:].view(torch.uint8).any()


def test_memory_that_is_read_only_gives_a_tensor_without_a_copy() -> None:
    memory = bytearray(b"\x01\x02\x03")
    tensor = tensor_of(memoryview(memory).toreadonly())
    memory[1] = 9
    assert tensor.tolist() == [1, 9, 3]


def test_caches_of_another_shape_are_refused() -> None:
    import torch

    with pytest.raises(ValueError, match=r"is \[9, 2, 4, 12\], not \[blocks, 2, 8, 12\]"):
        BlockCopier(made("rows", 8), empty(4))
    with pytest.raises(ValueError, match=r"without: \['layers.1'\]"):
        BlockCopier(made("rows", 4), {"layers.0": torch.zeros(BLOCKS, HEADS, 4, 2 * HALF)})


def test_layers_that_share_the_cache_of_another_one_need_no_copy() -> None:
    caches = fill("rows", 8, [3, 4])
    sharing = {**caches, "layers.2": caches["layers.1"]}
    copier, alone = BlockCopier(made("rows", 8), sharing), BlockCopier(made("rows", 8), caches)
    assert list(copier.layer_names) == list(alone.layer_names)
    with pytest.raises(ValueError, match=r"with others: \['layers.2'\]"):
        BlockCopier(made("rows", 8), {**caches, "layers.2": caches["layers.1"].clone()})
