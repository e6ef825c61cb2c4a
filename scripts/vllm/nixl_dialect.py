"""What a router sends to prefill, in the words of vLLM's NIXL connector."""

from __future__ import annotations

from typing import Any

_ASKED: dict[str, Any] = {
    "do_remote_decode": True,
    "do_remote_prefill": False,
    "remote_engine_id": None,
    "remote_block_ids": None,
    "remote_host": None,
    "remote_port": None,
}


def ask_prefill(receiver: str | list[str] | None = None) -> dict[str, Any]:
    """With a receiver, or one for each rank, it is a router that knows kvferry."""
    return _ASKED if receiver is None else {**_ASKED, "kvferry_receiver": receiver}
