"""What the connector reads of vLLM's own objects, and what vLLM calls. They need vLLM, which its environment has."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any

import pytest

from .engines import BLOCK_TOKENS, FakeGroup

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None, reason="vLLM is not installed: npm run test:vllm runs these tests"
    ),
    pytest.mark.filterwarnings("ignore"),
]


def configuration(parallel: Any, **model: Any) -> Any:
    """The parts of vLLM's that the connector reads."""
    known: dict[str, Any] = {
        "model": "m",
        "revision": None,
        "dtype": "torch.float32",
        "hf_overrides": {},
        "hf_text_config": None,
    }
    extra = {"agent": "prefill-{data_rank}", "chunk_tokens": 2 * BLOCK_TOKENS}
    return SimpleNamespace(
        parallel_config=parallel,
        model_config=SimpleNamespace(**{**known, **model}),
        cache_config=SimpleNamespace(cache_dtype="auto"),
        kv_transfer_config=SimpleNamespace(kv_connector_extra_config=extra),
    )


@pytest.mark.parametrize("has_experts", [False, True])
def test_each_data_parallel_rank_has_its_agent(has_experts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm.config import ParallelConfig

    from kvferry.vllm import connector

    parallel = ParallelConfig(data_parallel_size=2, data_parallel_rank=1)
    if not has_experts:
        # vLLM does it in the process of each rank.
        parallel.reconfigure_for_independent_dp_rank()
    monkeypatch.setattr(connector, "block_form", lambda *_: ("FAKE", "whole"))
    config, _ = connector._read(configuration(parallel), SimpleNamespace(kv_cache_groups=[FakeGroup()]))
    assert config.agents == ("prefill-1",)


@pytest.mark.parametrize(("is_cuda", "form"), [(True, "rows"), (False, "whole")])
def test_the_order_of_bytes_in_a_block_is_known_on_cuda(
    is_cuda: bool, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ROCm calls itself cuda, and has kernels that shuffle a block."""
    from kvferry.vllm import backend

    platform = SimpleNamespace(device_type="cuda", is_cuda=lambda: is_cuda)
    monkeypatch.setattr("vllm.platforms.current_platform", platform)
    monkeypatch.setattr(backend, "_backend_names", lambda _: ["FAKE"])
    assert backend.block_form(None, None, "bfloat16") == ("FAKE", form)


def test_vllm_tells_the_connector_that_caches_are_empty_and_that_a_prompt_has_come() -> None:
    from vllm.distributed.kv_transfer.kv_connector.v1.base import KVConnectorBase_V1

    from kvferry.vllm import KvferryConnector

    told: list[object] = []
    made: Any = KvferryConnector.__new__(KvferryConnector)
    made._scheduler = SimpleNamespace(forget=lambda: told.append("empty"), arrived=told.append)
    assert made.reset_cache() is True
    made.on_new_request("prompt")
    assert told == ["empty", "prompt"]
    assert {"reset_cache", "on_new_request"} <= set(dir(KVConnectorBase_V1))
