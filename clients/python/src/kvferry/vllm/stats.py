"""The counts of the connector in vLLM's log and in its Prometheus metrics."""

from __future__ import annotations

from typing import Any

from vllm.distributed.kv_transfer.kv_connector.v1.metrics import KVConnectorPromMetrics, KVConnectorStats
from vllm.v1.metrics.utils import create_metric_per_engine

from .counts import COUNTERS, SECONDS, add_up, empty, is_empty, reduced

_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60]


class KvferryStats(KVConnectorStats):  # type: ignore[misc]
    """Of one interval. vLLM sends `data` between processes."""

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        super().__init__(data or empty())

    def reset(self) -> None:
        self.data = empty()

    def aggregate(self, other: KVConnectorStats) -> KvferryStats:
        self.data = add_up(self.data, other.data)
        return self

    def reduce(self) -> dict[str, int | float]:
        return reduced(self.data)

    def is_empty(self) -> bool:
        return is_empty(self.data)


class KvferryPromMetrics(KVConnectorPromMetrics):  # type: ignore[misc]
    """`vllm:kvferry_…`, beside vLLM's own metrics."""

    def __init__(
        self,
        vllm_config: Any,
        metric_types: dict[Any, Any],
        labelnames: list[str],
        per_engine_labelvalues: dict[int, list[object]],
    ) -> None:
        super().__init__(vllm_config, metric_types, labelnames, per_engine_labelvalues)

        def by_engine(metric: Any) -> Any:
            return create_metric_per_engine(metric, per_engine_labelvalues)

        self._counters = {
            name: by_engine(
                self._counter_cls(name=f"vllm:kvferry_{name}", documentation=f"{text}.", labelnames=labelnames)
            )
            for name, text in COUNTERS.items()
        }
        self._histograms = {
            name: by_engine(
                self._histogram_cls(
                    name=f"vllm:kvferry_{name}", documentation=f"{text}.", buckets=_BUCKETS, labelnames=labelnames
                )
            )
            for name, text in SECONDS.items()
        }

    def observe(self, transfer_stats_data: dict[str, Any], engine_idx: int = 0) -> None:
        for name, counters in self._counters.items():
            counters[engine_idx].inc(transfer_stats_data[name])
        for name, histograms in self._histograms.items():
            for seconds in transfer_stats_data[name]:
                histograms[engine_idx].observe(seconds)
