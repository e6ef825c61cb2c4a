"""What a user sets, and the names of chunks."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from kvferry.lmcache.config import AdapterConfig, read_config
from kvferry.lmcache.keys import chunk_key, layout_text, offers_of

from .servers import Key

KEY = Key(bytes(range(32)))


def test_only_the_agent_must_be_named() -> None:
    assert read_config({"agent": "prefill-0"}) == AdapterConfig(agent="prefill-0", segment="lmcache-prefill-0")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "agent must name the kvferry agent"),
        ({"agent": "a", "sender": "b"}, "sender is unknown: did you mean senders? the keys are agent, receiver"),
        ({"agent": "a", "senders": "b"}, "senders is 'b', and must be a list of names of agents"),
        ({"agent": "a", "copies": 9}, "copies is 9, and must be at most 8"),
        ({"agent": "a", "copies": 2, "receiver": "b"}, "copies is 2, and chunks for one receiver have no copies"),
        ({"agent": "a", "memory_bytes": 0}, "memory_bytes is 0, and must be a whole number"),
        ({"agent": "a", "chunk_bytes": True}, "chunk_bytes is True, and must be a whole number"),
        ({"agent": "a", "lookup_timeout": 601}, "lookup_timeout is 601, and must be seconds"),
        ({"agent": "a", "namespace": 1}, "namespace is 1, and must be a text"),
    ],
)
def test_a_wrong_parameter_is_one_error_that_names_it(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="adapter_params") as raised:
        read_config(params)
    assert message in str(raised.value)


def test_everything_that_changes_the_bytes_changes_the_key() -> None:
    layout = layout_text([(2, 4)], ["float32"])
    others = [
        chunk_key(dataclasses.replace(KEY, chunk_hash=bytes(32)), layout, ""),
        chunk_key(dataclasses.replace(KEY, model_name="other"), layout, ""),
        chunk_key(dataclasses.replace(KEY, kv_rank=1), layout, ""),
        chunk_key(dataclasses.replace(KEY, object_group_id=1), layout, ""),
        chunk_key(dataclasses.replace(KEY, cache_salt="tenant"), layout, ""),
        chunk_key(KEY, layout_text([(4, 2)], ["float32"]), ""),
        chunk_key(KEY, layout_text([(2, 4)], ["bfloat16"]), ""),
        chunk_key(KEY, layout, "revision-2"),
    ]
    assert len({chunk_key(KEY, layout, ""), *others}) == 9


def test_the_names_of_offers_follow_from_the_key() -> None:
    names = offers_of("lmcache@1")
    assert names == offers_of("lmcache@1")
    assert len({*names, *offers_of("lmcache@2")}) == 16
    assert max(len(name) for name in names) < 128
