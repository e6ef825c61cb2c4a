"""The connection of one rank to NATS and its agent. It is made in the background, for as long as it takes: vLLM serves
without it. Once made, the engines of this package keep it over restarts of agents and of NATS."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from ..background_link import BackgroundLink
from ..client import Client
from ..decode_engine import DecodeEngine
from ..ends import RequestEnds
from ..errors import KvferryError
from ..prefill_engine import PrefillEngine

if TYPE_CHECKING:
    from ..loop_thread import LoopThread
    from ..source_pool import SourcePool

log = logging.getLogger("vllm.kvferry")

Part = TypeVar("Part")

Connect = Callable[[], Awaitable[Client]]


class Link(BackgroundLink):
    def __init__(
        self, loop: LoopThread, connect: Connect, agent: str, chunk_bytes: int, pool: SourcePool | None, *, reads: bool
    ) -> None:
        """`pool`: memory of prompts for others. `reads`: prompts of others are fetched."""
        super().__init__(agent, log)
        self.pool = pool
        self._loop = loop
        self._connect = connect
        self._chunk_bytes = chunk_bytes
        self._reads = reads
        self._client: Client | None = None
        self._prefill: PrefillEngine | None = None
        self._decode: DecodeEngine | None = None
        self._ends: RequestEnds | None = None

    @property
    def client(self) -> Client:
        return self._made(self._client)

    @property
    def prefill(self) -> PrefillEngine:
        return self._made(self._prefill)

    @property
    def decode(self) -> DecodeEngine:
        return self._made(self._decode)

    @property
    def ends(self) -> RequestEnds:
        return self._made(self._ends)

    @property
    def epoch(self) -> str | None:
        """The process of the agent that takes puts now."""
        return None if self._prefill is None else self._prefill.epoch

    def start(self) -> None:
        """Returns when the connection is made, or a little later without it."""
        self.wait(self._loop, "vLLM starts, and computes every prompt itself")

    async def close(self) -> None:
        """Source memory must not be taken away while the agent reads it."""
        try:
            if self._prefill is not None:
                await self._prefill.close()
        except KvferryError as error:
            log.warning("agent %s did not give source memory back: %s", self.agent, error)
        finally:
            if self._client is not None:
                await self._client.close()

    def _made(self, part: Part | None) -> Part:
        if part is None:
            raise self.not_made()
        return part

    async def make(self) -> str:
        if self._client is None:
            self._client = await self._connect()
        client = self._client
        await self._check(client)
        if self._reads and self._decode is None:
            self._ends = await RequestEnds.open(client)
            self._decode = DecodeEngine(client, self.agent)
        if self.pool is not None:
            self._prefill = await PrefillEngine.open(client, self.agent, self.pool)
        return f": chunks of {self._chunk_bytes} bytes"

    async def _check(self, client: Client) -> None:
        """Raises when the agent cannot do what this engine needs."""
        described = await client.describe(self.agent)
        role = described["role"]
        if (self._reads and role == "prefill") or (self.pool is not None and role == "decode"):
            needed = "both" if self._reads and self.pool is not None else "decode" if self._reads else "prefill"
            message = f"agent {self.agent} has role {role}, and this vLLM needs --role {needed}"
            raise KvferryError("role_mismatch", message)
        arena = described.get("arena")
        if self._reads and arena is not None and arena["pageBytes"] < self._chunk_bytes:
            message = (
                f"agent {self.agent} has pages of {arena['pageBytes']} bytes, and a chunk has {self._chunk_bytes}: "
                f"start it with --page-bytes {self._chunk_bytes}, or set a smaller chunk_tokens on all servers"
            )
            raise KvferryError("invalid_configuration", message)
