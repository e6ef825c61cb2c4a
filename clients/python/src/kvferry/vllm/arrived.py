"""Chunks that have arrived at a decode agent, and that no server will load."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..client import Client
    from ..decode_engine import DecodeEngine


async def release_arrived(decode: DecodeEngine, client: Client, request: str) -> None:
    """Gives back what the agent holds of the request. Raises as the client does."""
    status = await client.status(decode.agent, request=request, lists=["requests"])
    for row in status["requests"]:
        if row.get("end") == "ready":
            await decode.release(request, row["epoch"])
