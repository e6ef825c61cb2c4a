"""A vLLM engine in a process that the zygote forked. It takes orders and reports answers on its channel, as
lines of JSON.

Orders: {"add": id, "tokens", "most", "transfer"}, {"abort": id}, {"reset": true}, {"negate": true}, {"stop": true}.
Reports: {"started": true}, {"failed": text}, and of a request {"id", "phase": "loading" | "computing"},
{"id", "count"} for each step, and {"id", "answer"}. An answer has the "steps" that computed its prompt: pairs of the
first token and the one after the last."""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Iterable
from typing import Any

import torch
from vllm import EngineArgs, SamplingParams
from vllm.config import KVTransferConfig
from vllm.v1.engine.llm_engine import LLMEngine
from vllm.v1.request import RequestStatus

from .forking import fork_always, wait_without_spinning
from .steps import PromptSteps, given_name

# A request that waits for its chunks gives the engine nothing to compute.
IDLE_SECONDS = 0.002


class Channel:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""

    def send(self, **report: object) -> None:
        self._connection.sendall(json.dumps(report).encode() + b"\n")

    def orders(self, seconds: float | None) -> list[dict[str, Any]]:
        """What has arrived, after at most so long. Ends the process when the harness is gone."""
        if not select.select([self._connection], [], [], seconds)[0]:
            return []
        piece = self._connection.recv(1 << 20)
        if not piece:
            raise SystemExit
        *lines, self._received = (self._received + piece).split(b"\n")
        return [json.loads(line) for line in lines]


class Engine:
    def __init__(self, channel: Channel, arguments: dict[str, Any], transfer: dict[str, Any] | None) -> None:
        config = None if transfer is None else KVTransferConfig(**transfer)
        self._engine = LLMEngine.from_engine_args(EngineArgs(**arguments, kv_transfer_config=config))
        self._channel = channel
        self._phases: dict[str, str] = {}
        self._steps = PromptSteps(self._engine.engine_core.engine_core.scheduler)

    def run(self) -> None:
        core = self._engine.engine_core.engine_core
        has_moved = False
        while True:
            is_busy = core.scheduler.has_requests()
            for order in self._channel.orders(None if not is_busy else 0 if has_moved else IDLE_SECONDS):
                if "stop" in order:
                    self._engine.engine_core.shutdown()
                    return
                self._obey(order)
            if core.scheduler.has_requests():
                outputs = self._engine.step()
                has_moved = bool(outputs)
                self._report_phases(core.scheduler.requests.values())
                for output in outputs:
                    self._report(output)

    def _obey(self, order: dict[str, Any]) -> None:
        if "add" in order:
            transfer = order["transfer"]
            sampling = SamplingParams(
                temperature=0,
                max_tokens=order["most"],
                ignore_eos=True,
                detokenize=False,
                logprobs=1,
                extra_args=None if transfer is None else {"kv_transfer_params": transfer},
            )
            self._engine.add_request(order["add"], {"prompt_token_ids": order["tokens"]}, sampling)
        elif "abort" in order:
            self._engine.abort_request([order["abort"]])
        elif "reset" in order:
            self._engine.reset_prefix_cache()
        elif "negate" in order:
            self._engine.apply_model(negate_input)
            # As a server does when its weights change: its own cache, and that of the connector.
            self._engine.reset_prefix_cache(reset_connector=True)

    def _report_phases(self, requests: Iterable[Any]) -> None:
        phases = {request.request_id: phase for request in requests if (phase := phase_of(request)) is not None}
        for name, phase in phases.items():
            if self._phases.get(name) != phase:
                self._channel.send(id=given_name(name), phase=phase)
        self._phases = phases

    def _report(self, output: Any) -> None:
        completion = output.outputs[0]
        if not output.finished:
            self._channel.send(id=output.request_id, count=len(completion.token_ids))
            return
        answer = {
            "tokens": list(completion.token_ids),
            "logprobs": [next(iter(step.values())).logprob for step in completion.logprobs or []],
            "steps": self._steps.take(output.request_id),
            "finish": completion.finish_reason,
            "transfer": output.kv_transfer_params,
        }
        self._channel.send(id=output.request_id, answer=answer)


def negate_input(model: torch.nn.Module) -> None:
    """Other weights: the input of the first attention layer has the other sign. Twice, and they are as before."""
    with torch.no_grad():
        named = dict(model.named_parameters())
        next(weight for name, weight in named.items() if name.endswith("layers.0.input_layernorm.weight")).neg_()


def phase_of(request: Any) -> str | None:
    if request.status == RequestStatus.WAITING_FOR_REMOTE_KVS:
        return "loading"
    return "computing" if request.num_computed_tokens > 0 else None


def run(connection: socket.socket, spec: dict[str, Any]) -> None:
    channel = Channel(connection)
    os.environ.update(spec["environment"])
    fork_always()
    wait_without_spinning()
    try:
        engine = Engine(channel, spec["arguments"], spec["transfer"])
    except Exception as error:
        channel.send(failed=f"{type(error).__name__}: {error}")
        raise
    channel.send(started=True)
    engine.run()
