"""The connector in vLLM's scheduler: decides what is moved, and moves nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .consuming import Consuming
from .dialect import wants_decode, was_prefilled
from .metadata import StepOrders, WorkerReport
from .producing import Producing

if TYPE_CHECKING:
    from .config import ConnectorConfig
    from .engine_types import Request, SchedulerOutput
    from .layout import KvLayout


log = logging.getLogger("vllm.kvferry")


class SchedulerSide:
    def __init__(self, config: ConnectorConfig, layout: KvLayout, *, is_producer: bool, is_consumer: bool) -> None:
        self._producing = Producing(config, layout) if is_producer else None
        self._consuming = Consuming(config, layout) if is_consumer else None
        self._warned = False
        """The router asked for what the role of this server does not have."""

    def arrived(self, request: Request) -> None:
        if self._consuming is not None:
            self._consuming.arrived(request)

    def matched(self, request: Request, computed: int) -> tuple[int, bool]:
        """Tokens that are loaded while other prompts go on, and whether there are any."""
        tokens = 0 if self._consuming is None else self._consuming.matched(request, computed)
        return tokens, tokens > 0

    def allocated(self, request: Request, blocks: Sequence[int], tokens: int) -> None:
        if self._consuming is not None:
            self._consuming.allocated(request, blocks, tokens)
        if self._producing is not None:
            self._producing.admitted(request)
        self._check_role(request)

    def step(self, output: SchedulerOutput) -> StepOrders:
        orders = StepOrders()
        if self._producing is not None:
            orders.saves = self._producing.step(output)
            orders.cancels = self._producing.take_cancels()
            orders.forgets = self._producing.take_forgets()
        if self._consuming is not None:
            orders.loads, orders.drops = self._consuming.take()
        return orders

    def finished(self, request: Request) -> dict[str, Any] | None:
        """The parameters that the router gets."""
        if self._consuming is not None:
            self._consuming.finished(request)
        return None if self._producing is None else self._producing.finished(request)

    def _check_role(self, request: Request) -> None:
        """Otherwise every prompt would be computed twice, and no log would say why. Logged once."""
        if self._warned or request.kv_transfer_params is None:
            return
        if self._producing is None and wants_decode(request.kv_transfer_params):
            asked, has, needed = "prefill for another server", "kv_consumer", "kv_producer"
        elif self._consuming is None and was_prefilled(request.kv_transfer_params):
            asked, has, needed = "decode of what another server has prefilled", "kv_producer", "kv_consumer"
        else:
            return
        self._warned = True
        remedy = f'set "kv_role": "{needed}" or "kv_both", or name the servers to the router the other way round'
        log.warning("nothing is moved: the router asks for %s, and this one is a %s: %s", asked, has, remedy)

    def forget(self) -> None:
        """vLLM has emptied its caches: its weights may be others now. What was computed before is not used for later
        prompts, wherever it is."""
        if self._producing is not None:
            self._producing.forget()
        if self._consuming is not None:
            self._consuming.forget()
        log.info("vLLM has emptied its caches: later prompts use no chunks from before")

    def reported(self, report: WorkerReport) -> None:
        if self._producing is not None:
            self._producing.reported(report)
