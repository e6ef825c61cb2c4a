"""LMCache's L2 adapter: `L2Adapter`, which `lmcache server` loads by
`--l2-adapter '{"type": "plugin", "module_path": "kvferry.lmcache", "class_name": "L2Adapter", "adapter_params": {…}}'`.

LMCache is imported when the class is asked for, so that the parts can be tested without it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..logs import name_lines

if TYPE_CHECKING:
    from .adapter import L2Adapter

__all__ = ["L2Adapter"]

name_lines(logging.getLogger("lmcache.kvferry"))


def __getattr__(name: str) -> object:
    if name != "L2Adapter":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .adapter import L2Adapter

    return L2Adapter
