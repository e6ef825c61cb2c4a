"""vLLM's connector for kvferry: what vLLM calls, in its scheduler and in each worker. It only delegates.

Run with vLLM 0.32 on CPU, one and two tensor parallel ranks (`npm run test:vllm`). Written for CUDA too: that part
(`lanes.CudaLane`) has not been run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from vllm.distributed.kv_transfer.kv_connector.v1.base import (
    KVConnectorBase_V1,
    KVConnectorMetadata,
    KVConnectorRole,
    KVConnectorWorkerMetadata,
)

from ..logs import reason_logged
from .backend import block_form, config_marks
from .config import ConnectorConfig, EngineFacts, read_config
from .consuming import name_policy
from .layout import KvLayout, ModelFacts, check_groups, read_layout
from .metadata import StepOrders, WorkerReport
from .scheduler_side import SchedulerSide
from .stats import KvferryPromMetrics, KvferryStats
from .worker_side import WorkerSide

log = logging.getLogger("vllm.kvferry")

_REFUSED = "vLLM does not start"


class Orders(KVConnectorMetadata):  # type: ignore[misc]
    """From the scheduler to the workers."""

    def __init__(self, orders: StepOrders) -> None:
        self.orders = orders


class Report(KVConnectorWorkerMetadata):  # type: ignore[misc]
    """From the workers to the scheduler."""

    def __init__(self, report: WorkerReport) -> None:
        self.report = report

    def aggregate(self, other: Report) -> Report:
        return Report(self.report.aggregate(other.report))


class KvferryConnector(KVConnectorBase_V1):  # type: ignore[misc]
    def __init__(self, vllm_config: Any, role: KVConnectorRole, kv_cache_config: Any) -> None:
        """Raises `ValueError` for a configuration or a model that kvferry cannot serve."""
        super().__init__(vllm_config=vllm_config, role=role, kv_cache_config=kv_cache_config)
        transfer = vllm_config.kv_transfer_config
        with reason_logged(log, _REFUSED):
            config, layout = _read(vllm_config, kv_cache_config)
        roles = {"is_producer": transfer.is_kv_producer, "is_consumer": transfer.is_kv_consumer}
        self._scheduler: SchedulerSide | None = None
        self._worker: WorkerSide | None = None
        if role == KVConnectorRole.SCHEDULER:
            self._scheduler = SchedulerSide(config, layout, **roles)
            if transfer.is_kv_consumer:
                name_policy(transfer.kv_load_failure_policy)
        else:
            rank = _tensor_rank() if len(config.agents) > 1 else 0
            tokens = vllm_config.model_config.max_model_len
            self._worker = WorkerSide(config, layout, rank, prompt_tokens=tokens, **roles)

    # In the scheduler.

    def on_new_request(self, request: Any) -> None:
        self._in_scheduler.arrived(request)

    def get_num_new_matched_tokens(self, request: Any, num_computed_tokens: int) -> tuple[int | None, bool]:
        return self._in_scheduler.matched(request, num_computed_tokens)

    def update_state_after_alloc(self, request: Any, blocks: Any, num_external_tokens: int) -> None:
        self._in_scheduler.allocated(request, blocks.get_block_ids()[0], num_external_tokens)

    def build_connector_meta(self, scheduler_output: Any) -> KVConnectorMetadata:
        return Orders(self._in_scheduler.step(scheduler_output))

    def request_finished(self, request: Any, block_ids: list[int]) -> tuple[bool, dict[str, Any] | None]:
        """Blocks can be used for other prompts at once: what they had is in source memory."""
        return False, self._in_scheduler.finished(request)

    def update_connector_output(self, connector_output: Any) -> None:
        report = connector_output.kv_connector_worker_meta
        if isinstance(report, Report):
            self._in_scheduler.reported(report.report)

    def reset_cache(self) -> bool:
        self._in_scheduler.forget()
        return True

    # In a worker.

    def register_kv_caches(self, kv_caches: dict[str, Any]) -> None:
        with reason_logged(log, _REFUSED):
            self._in_worker.register(kv_caches)

    def start_load_kv(self, forward_context: Any, **kwargs: Any) -> None:
        self._in_worker.begin(self._orders)

    def wait_for_layer_load(self, layer_name: str) -> None:
        """Prompts are loaded before they are scheduled, so that no layer is waited for."""

    def save_kv_layer(self, layer_name: str, kv_layer: Any, attn_metadata: Any, **kwargs: Any) -> None:
        if self.has_connector_metadata():
            self._in_worker.layer(self._orders, layer_name)

    def wait_for_save(self) -> None:
        self._in_worker.finish(self._orders)

    def get_finished(self, finished_req_ids: set[str]) -> tuple[set[str] | None, set[str] | None]:
        return None, self._in_worker.loaded(finished_req_ids)

    def get_block_ids_with_load_errors(self) -> set[int]:
        return self._in_worker.failed_blocks()

    def get_kv_connector_stats(self) -> KvferryStats | None:
        data = None if self._worker is None else self._worker.counts()
        return None if data is None else KvferryStats(data)

    def build_connector_worker_meta(self) -> KVConnectorWorkerMetadata | None:
        report = self._in_worker.report()
        return None if report is None else Report(report)

    def shutdown(self) -> None:
        if self._worker is not None:
            self._worker.close()

    # In vLLM's front end.

    @classmethod
    def build_kv_connector_stats(cls, data: dict[str, Any] | None = None) -> KvferryStats:
        return KvferryStats(data)

    @classmethod
    def build_prom_metrics(
        cls,
        vllm_config: Any,
        metric_types: dict[Any, Any],
        labelnames: list[str],
        per_engine_labelvalues: dict[int, list[object]],
    ) -> KvferryPromMetrics:
        return KvferryPromMetrics(vllm_config, metric_types, labelnames, per_engine_labelvalues)

    @property
    def _in_scheduler(self) -> SchedulerSide:
        if self._scheduler is None:
            raise RuntimeError("vLLM called the connector of a worker as that of the scheduler")
        return self._scheduler

    @property
    def _in_worker(self) -> WorkerSide:
        if self._worker is None:
            raise RuntimeError("vLLM called the connector of the scheduler as that of a worker")
        return self._worker

    @property
    def _orders(self) -> StepOrders:
        metadata = self._get_connector_metadata()
        if not isinstance(metadata, Orders):
            raise TypeError(f"vLLM bound {type(metadata).__name__}, which is not of this connector")
        return metadata.orders


def _read(vllm_config: Any, kv_cache_config: Any) -> tuple[ConnectorConfig, KvLayout]:
    parallel, model, cache = vllm_config.parallel_config, vllm_config.model_config, vllm_config.cache_config
    for name in ("pipeline_parallel_size", "decode_context_parallel_size", "prefill_context_parallel_size"):
        if getattr(parallel, name, 1) > 1:
            raise ValueError(f"kvferry moves the cache of tensor parallel ranks only, and {name} is above 1")
    groups = kv_cache_config.kv_cache_groups
    check_groups(groups)
    spec = groups[0].kv_cache_spec
    facts = EngineFacts(
        model=model.model,
        revision=model.revision,
        block_tokens=spec.block_size,
        ranks=parallel.tensor_parallel_size,
        # Of a model without experts, every rank has the number 0 in `data_parallel_rank`.
        data_rank=parallel.data_parallel_index,
    )
    extra: Mapping[str, Any] = vllm_config.kv_transfer_config.kv_connector_extra_config
    config = read_config(extra, facts)
    dtype = str(model.dtype).removeprefix("torch.")
    cache_dtype = dtype if cache.cache_dtype == "auto" else str(cache.cache_dtype)
    backend, form = block_form(vllm_config, spec, cache_dtype)
    described = ModelFacts(
        model_id=config.model_id,
        revision=config.revision,
        dtype=dtype,
        cache_dtype=cache_dtype,
        backend=backend,
        form=form,
        ranks=facts.ranks,
        config=config_marks(model),
    )
    return config, read_layout(groups, described, config.chunk_tokens)


def _tensor_rank() -> int:
    from vllm.distributed.parallel_state import get_tensor_model_parallel_rank

    return int(get_tensor_model_parallel_rank())
