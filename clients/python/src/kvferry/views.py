"""Memory as an array of numpy or a tensor of torch, without a copy. Neither package is imported before it is asked
for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def numpy_view(view: memoryview, dtype: Any, shape: Sequence[int] | None) -> Any:
    import numpy

    array = numpy.frombuffer(view, dtype=dtype)
    return array if shape is None else array.reshape(shape)


def torch_view(view: memoryview, dtype: Any, shape: Sequence[int] | None) -> Any:
    """torch warns about memory that must not be written: do not write to tensors of an arena."""
    import torch

    tensor = torch.frombuffer(view, dtype=torch.uint8 if dtype is None else dtype)
    return tensor if shape is None else tensor.reshape(tuple(shape))
