"""The counts of the connector, in the log and in Prometheus."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any

import pytest

from kvferry.vllm.counts import COUNTERS, SECONDS, Counts, add_up, empty, is_empty, reduced

needs_vllm = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None, reason="vLLM is not installed: npm run test:vllm runs these tests"
)


def some() -> dict[str, Any]:
    return {**empty(), "chunks_loaded": 3, "wait_seconds": [0.5, 0.25]}


def test_counts_are_those_since_the_last_time() -> None:
    counts = Counts()
    assert counts.take() is None
    counts.add("chunks_loaded", 2)
    counts.add("chunks_loaded")
    counts.observe("wait_seconds", 0.5)
    counts.observe("wait_seconds", 0.25)
    assert counts.take() == some()
    assert counts.take() is None


def test_counts_of_ranks_are_added_up_and_shown_without_zeros() -> None:
    both = add_up(some(), some())
    assert (both["chunks_loaded"], both["wait_seconds"]) == (6, [0.5, 0.25, 0.5, 0.25])
    assert reduced(both) == {"chunks_loaded": 6, "mean_wait_seconds": 0.375}
    assert is_empty(empty())
    assert not is_empty(both)


@needs_vllm
@pytest.mark.filterwarnings("ignore")
def test_prometheus_has_every_count_and_time() -> None:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

    from kvferry.vllm.stats import KvferryPromMetrics, KvferryStats

    registry = CollectorRegistry()

    def into(kind: Any) -> Any:
        return lambda **settings: kind(**settings, registry=registry)

    metrics = KvferryPromMetrics(
        SimpleNamespace(kv_transfer_config=None),
        {kind: into(kind) for kind in (Counter, Gauge, Histogram)},
        ["engine"],
        {0: ["0"]},
    )
    stats = KvferryStats().aggregate(KvferryStats(some()))
    metrics.observe(stats.to_dict(), 0)
    text = generate_latest(registry).decode()
    assert 'vllm:kvferry_chunks_loaded_total{engine="0"} 3.0' in text
    assert 'vllm:kvferry_wait_seconds_sum{engine="0"} 0.75' in text
    assert all(f"vllm:kvferry_{name}_" in text for name in [*COUNTERS, *SECONDS])
    assert (stats.reduce(), stats.is_empty()) == (reduced(some()), False)
    stats.reset()
    assert stats.is_empty()


@needs_vllm
@pytest.mark.filterwarnings("ignore")
def test_the_connector_is_found_by_its_name_and_implements_what_vllm_needs() -> None:
    import kvferry.vllm

    connector = kvferry.vllm.KvferryConnector
    assert connector.__abstractmethods__ == frozenset()
    assert connector.build_kv_connector_stats().is_empty()
    with pytest.raises(AttributeError):
        _ = kvferry.vllm.Other
