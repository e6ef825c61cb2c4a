"""What a prompt is computed with, beside the model that the layout names: an adapter, and weights that vLLM has loaded
since it started. The prefill server names them. Their name is a part of every key, and the decode server takes it over:
the path of an adapter may be another one there."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .engine_types import Request

UNCHANGED = ""
"""No adapter, and the weights that the server started with."""


class Weights:
    """Of one prefill server. Owned by its scheduler."""

    def __init__(self) -> None:
        self._loaded = UNCHANGED

    def renew(self) -> None:
        """They may be others now."""
        self._loaded = secrets.token_hex(16)

    def name(self, request: Request) -> str:
        """Another adapter may get the name of an earlier one, so its path counts too."""
        adapter = None if request.lora_request is None else request.lora_request.lora_path
        if adapter is None and self._loaded == UNCHANGED:
            return UNCHANGED
        return hashlib.sha256(json.dumps([self._loaded, adapter]).encode()).hexdigest()[:32]
