"""vLLM's connector: `KvferryConnector`, which vLLM loads by
`--kv-transfer-config '{"kv_connector": "KvferryConnector", "kv_connector_module_path": "kvferry.vllm", …}'`.

vLLM is imported when the class is asked for, so that the parts can be tested without it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..logs import name_lines

if TYPE_CHECKING:
    from .connector import KvferryConnector

__all__ = ["KvferryConnector"]

name_lines(logging.getLogger("vllm.kvferry"))


def __getattr__(name: str) -> object:
    if name != "KvferryConnector":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .connector import KvferryConnector

    return KvferryConnector
