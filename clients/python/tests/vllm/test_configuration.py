"""What a user sets, and what is read of a model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kvferry.settings import ConnectionSettings
from kvferry.vllm.backend import config_marks
from kvferry.vllm.config import ConnectorConfig, EngineFacts, read_config
from kvferry.vllm.keys import chunk_keys, rank_key
from kvferry.vllm.layout import differences, read_layout

from .engines import (
    BLOCK_TOKENS,
    CHUNK_TOKENS,
    LAYERS,
    WIDTH,
    FakeGroup,
    FakeLora,
    FakeRequest,
    FullAttentionSpec,
    facts,
    layout,
)

ENGINE = EngineFacts(model="models/tiny", revision=None, block_tokens=16, ranks=1)


class Position:
    def __init__(self, offset: int, length: int) -> None:
        self.offset = offset
        self.length = length


class SeveralSpecs:
    """As vLLM's of a group whose layers differ."""

    block_size = BLOCK_TOKENS

    def __init__(self, kv_cache_specs: dict[str, FullAttentionSpec]) -> None:
        self.kv_cache_specs = kv_cache_specs


class Feature:
    def __init__(self, identifier: str, offset: int, length: int) -> None:
        self.identifier = identifier
        self.mm_position = Position(offset, length)


def test_only_the_agent_must_be_named() -> None:
    assert read_config({"agent": "prefill-0"}, ENGINE) == ConnectorConfig(
        agents=("prefill-0",),
        connection=ConnectionSettings(),
        chunk_tokens=16,
        slots=None,
        offer_timeout=120.0,
        load_timeout=60.0,
        segment=None,
        model_id="models/tiny",
        revision="",
    )


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({}, "agent must name the kvferry agent"),
        ({"agent": "a", "slot": 3}, "slot is unknown: did you mean slots? the keys are agent, chunk_tokens"),
        ({"agent": "a", "chunk_tokens": 24}, "chunk_tokens is 24, which is no multiple of the block size 16"),
        ({"agent": "a", "slots": 0}, "slots is 0, and must be a whole number"),
        ({"agent": "a", "slots": True}, "slots is True, and must be a whole number"),
        ({"agent": "a", "load_timeout": 601}, "load_timeout is 601, and must be seconds"),
        ({"agent": "a", "offer_timeout": "1"}, "offer_timeout is '1', and must be seconds"),
        ({"agent": ["a", "b"]}, "agent names 2 agents for 1 tensor parallel ranks"),
    ],
)
def test_a_wrong_setting_is_one_error_that_names_it(extra: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="kv_connector_extra_config") as raised:
        read_config(extra, ENGINE)
    assert message in str(raised.value)


def test_each_rank_has_an_agent_and_a_segment() -> None:
    engine = EngineFacts(model="m", revision="r1", block_tokens=16, ranks=2, data_rank=3)
    config = read_config({"agent": "prefill-{data_rank}-{rank}"}, engine)
    assert config.agents == ("prefill-3-0", "prefill-3-1")
    assert config.segment_of(1) == "vllm-prefill-3-1"
    assert read_config({"agent": ["x", "y"], "segment": "s"}, engine).segment_of(1) == "s-1"
    with pytest.raises(ValueError, match="names 1 agents for 2"):
        read_config({"agent": "prefill-0"}, engine)


def test_a_chunk_has_every_layer_in_the_order_of_their_numbers() -> None:
    read = layout()
    assert [one.name for one in read.layers] == [LAYERS[0], LAYERS[2], LAYERS[1]]
    assert (read.chunk_bytes, read.blocks_per_chunk) == (CHUNK_TOKENS * WIDTH * 3, CHUNK_TOKENS // BLOCK_TOKENS)


def test_two_engines_differ_in_what_changes_the_bytes() -> None:
    own = layout()
    assert layout().text == own.text
    others = {
        "model": layout(revision="other").text,
        "dtype": layout(dtype="bfloat16").text,
        "cache_dtype": layout(cache_dtype="fp8").text,
        "backend": layout(backend="OTHER").text,
        "chunk_tokens": layout(chunk_tokens=16).text,
        "ranks": layout(ranks=2).text,
        "block_tokens": layout(block_tokens=8).text,
    }
    assert {name: differences(text, own.text).split(" is ")[0] for name, text in others.items()} == {
        name: name for name in others
    }
    remedies = {
        "model": "one model_id and one revision",
        "dtype": "--dtype",
        "cache_dtype": "--kv-cache-dtype",
        "chunk_tokens": "a multiple of both block sizes",
        "ranks": "--tensor-parallel-size",
        "block_tokens": "--block-size",
    }
    for name, remedy in remedies.items():
        assert remedy in differences(others[name], own.text).partition(" here: ")[2]
    unknown = differences(layout(backend="OTHER").text, own.text)
    assert unknown == "backend is OTHER there and FAKE here"


def test_layers_of_other_shapes_are_another_layout() -> None:
    def text(*heads: int) -> str:
        specs = {f"layers.{number}": FullAttentionSpec(heads=count) for number, count in enumerate(heads)}
        return read_layout([FakeGroup(SeveralSpecs(specs))], facts(), CHUNK_TOKENS).text

    # The largest number of heads, and the bytes of a chunk, are the same.
    assert text(1, 2) == text(1, 2)
    assert differences(text(1, 2), text(2, 1)).startswith("layers is ")


def test_a_known_form_of_blocks_makes_block_sizes_free() -> None:
    assert layout(form="rows").text == layout(form="rows", block_tokens=8).text


def test_a_model_with_other_caches_is_refused() -> None:
    class MambaSpec:
        block_size = 4
        num_kv_heads = 1
        page_size_bytes = 64

    with pytest.raises(ValueError, match="a cache of kind MambaSpec"):
        read_layout([FakeGroup(MambaSpec())], facts(), CHUNK_TOKENS)
    with pytest.raises(ValueError, match="has 2 groups of KV caches"):
        read_layout([FakeGroup(), FakeGroup()], facts(), CHUNK_TOKENS)


def test_a_model_whose_tokens_depend_on_later_ones_is_refused() -> None:
    """Two prompts with one beginning have other caches of it."""
    spec = FullAttentionSpec()
    spec.non_causal = True  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"layer model\.layers\.0\.attn .* depend on later ones"):
        read_layout([FakeGroup(SeveralSpecs(dict.fromkeys(LAYERS, spec)))], facts(), CHUNK_TOKENS)


def test_servers_whose_options_change_the_cache_differ() -> None:
    own, other = layout().text, layout(config="overrides#12345678").text
    found = differences(other, own)
    assert found.startswith("config is overrides#12345678 there and None here: start both servers with one --hf-over")
    assert differences(layout(config="long").text, layout(config="short").text).startswith("config is long there")


def test_options_that_change_positions_mark_a_server() -> None:
    def marks(longest: int = 8192, overrides: Any = None, **rope: Any) -> str:
        text_config = SimpleNamespace(rope_parameters=rope or {"rope_type": "default"})
        model = SimpleNamespace(hf_overrides=overrides or {}, hf_text_config=text_config, max_model_len=longest)
        return config_marks(model)

    assert marks() == marks(4096) == ""
    assert marks(overrides={"a": 1, "b": 2}) == marks(overrides={"b": 2, "a": 1}) != marks(overrides={"a": 1})
    assert marks(overrides=config_marks) == marks(overrides=config_marks)
    long = {"rope_type": "longrope", "original_max_position_embeddings": 4096}
    assert (marks(4096, **long), marks(4097, **long), marks(9000, **long)) == ("short", "long", "long")
    # Each kind of layers has its own.
    assert marks(8192, full_attention=long, sliding_attention={"rope_type": "default"}) == "long"


def test_keys_follow_the_tokens_and_everything_before_them() -> None:
    tokens = list(range(20))
    keys = chunk_keys(FakeRequest("a", tokens), layout())
    assert len(keys) == 2
    assert chunk_keys(FakeRequest("b", [*tokens[:16], 99]), layout()) == keys
    changed = chunk_keys(FakeRequest("c", [1, *tokens[1:]]), layout())
    assert not set(keys) & set(changed)
    assert chunk_keys(FakeRequest("d", [*tokens[:8], 99, *tokens[9:]]), layout())[0] == keys[0]
    assert chunk_keys(FakeRequest("e", None), layout()) == []
    assert chunk_keys(FakeRequest("f", tokens, prompt_embeds=object()), layout()) == []


def test_keys_differ_when_the_bytes_would_differ() -> None:
    tokens = list(range(16))

    def second(request: FakeRequest, **changed: Any) -> str:
        return chunk_keys(request, layout(**changed))[1]

    image = [Feature("image-1", 2, 3)]
    found = [
        second(FakeRequest("a", tokens)),
        second(FakeRequest("a", tokens), model_id="models/other"),
        # The same last part of a name.
        second(FakeRequest("a", tokens), model_id="others/tiny"),
        second(FakeRequest("a", tokens), cache_dtype="fp8"),
        second(FakeRequest("a", tokens, lora_request=FakeLora("adapter"))),
        second(FakeRequest("a", tokens, cache_salt="tenant-1")),
        second(FakeRequest("a", tokens, cache_salt="tenant-2")),
        # An adapter may have the name that another prompt has as its salt.
        second(FakeRequest("a", tokens, lora_request=FakeLora("tenant-1"))),
        second(FakeRequest("a", tokens, lora_request=FakeLora("adapter"), cache_salt="tenant-1")),
        second(FakeRequest("a", tokens, mm_features=image)),
        second(FakeRequest("a", tokens, mm_features=[Feature("image-2", 2, 3)])),
        second(FakeRequest("a", tokens, mm_features=[Feature("image-1", 9, 3)])),
    ]
    assert len(set(found)) == len(found)
    behind = [Feature("image-1", 16, 3)]
    assert second(FakeRequest("a", tokens, mm_features=behind)) == found[0]
    assert rank_key("k", 0, 2) != rank_key("k", 1, 2)
