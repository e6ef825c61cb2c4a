"""Where copies between the KV cache and memory of kvferry run: on the host at once, or on a CUDA stream of their own.
The CUDA lane is written for vLLM's GPU caches and has not been run: this repository is tested on CPU."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

log = logging.getLogger("vllm.kvferry")

_REGISTER_READ_ONLY = 8
"""cudaHostRegisterReadOnly"""


class Lane(Protocol):
    @property
    def is_asynchronous(self) -> bool:
        """Copies go on behind the call."""

    def mark(self) -> Any:
        """What the device was ordered so far, in the thread that orders the model's work."""

    def copies(self, after: Any) -> Any:
        """A context for copies that begin after the work of a mark."""

    def wait(self) -> None:
        """Returns when all copies are done."""

    def pin(self, memory: Any, *, read_only: bool) -> None:
        """Makes memory of the host fast to copy. `memory`: a tensor of bytes."""

    def unpin(self, memory: Any) -> None:
        """Before pinned memory is given up."""


class HostLane:
    is_asynchronous = False

    def mark(self) -> Any:
        return None

    @contextmanager
    def copies(self, after: Any) -> Iterator[None]:
        yield

    def wait(self) -> None:
        """Nothing goes on behind a call."""

    def pin(self, memory: Any, *, read_only: bool) -> None:
        """Memory of the host needs nothing."""

    def unpin(self, memory: Any) -> None:
        """Nothing was done."""


class CudaLane:
    is_asynchronous = True

    def __init__(self, device: Any) -> None:
        import torch

        self._torch: Any = torch
        self._device = device
        self._stream: Any = torch.cuda.Stream(device=device)

    def mark(self) -> Any:
        event = self._torch.cuda.Event()
        event.record(self._torch.cuda.current_stream(self._device))
        return event

    @contextmanager
    def copies(self, after: Any) -> Iterator[None]:
        with self._torch.cuda.device(self._device), self._torch.cuda.stream(self._stream):
            self._stream.wait_event(after)
            yield

    def wait(self) -> None:
        self._stream.synchronize()

    def pin(self, memory: Any, *, read_only: bool) -> None:
        flags = _REGISTER_READ_ONLY if read_only else 0
        status = self._torch.cuda.cudart().cudaHostRegister(memory.data_ptr(), memory.numel(), flags)
        if int(status) != 0:
            # Copies work all the same, and are slower.
            log.warning("cudaHostRegister of %d bytes failed with %s: copies are slower", memory.numel(), status)
            # The error stays with this thread, and its next kernel raises it: that should not be one of the model.
            with suppress(RuntimeError):
                self._torch.zeros(1, device=self._device)

    def unpin(self, memory: Any) -> None:
        self._torch.cuda.cudart().cudaHostUnregister(memory.data_ptr())


def lane_of(device: Any) -> Lane:
    """`device`: that of the KV cache. Raises `ValueError` for a kind of device that kvferry does not copy from."""
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"the KV cache is on a device of type {device.type}, and kvferry copies from cpu and cuda")
    return CudaLane(device) if device.type == "cuda" else HostLane()
