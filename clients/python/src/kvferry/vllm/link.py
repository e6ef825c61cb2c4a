"""The connection of one rank to NATS and its agent. It is made in the background, for as long as it takes: vLLM serves
without it. Once made, the engines of this package keep it over restarts of agents and of NATS."""

from __future__ import annotations

import concurrent.futures
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from ..client import Client
from ..decode_engine import DecodeEngine
from ..ends import RequestEnds
from ..errors import KvferryError
from ..prefill_engine import PrefillEngine
from ..waiting import pause

if TYPE_CHECKING:
    from ..loop_thread import LoopThread
    from ..source_pool import SourcePool

log = logging.getLogger("vllm.kvferry")

START_SECONDS = 5.0
"""How long the start of vLLM waits for the agent."""
_AGAIN_SECONDS = 1.0

Part = TypeVar("Part")

Connect = Callable[[], Awaitable[Client]]


class Link:
    def __init__(
        self, loop: LoopThread, connect: Connect, agent: str, chunk_bytes: int, pool: SourcePool | None, *, reads: bool
    ) -> None:
        """`pool`: memory of prompts for others. `reads`: prompts of others are fetched."""
        self.agent = agent
        self.pool = pool
        self.problem: str | None = "kvferry is not connected yet"
        """Why nothing can be moved. None: the connection was made."""
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
        making = self._loop.submit(self._make_always())
        try:
            making.result(START_SECONDS)
        except concurrent.futures.TimeoutError:
            log.warning("vLLM starts, and computes every prompt itself until kvferry is there: %s", self.problem)

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
            raise KvferryError("disconnected", f"nothing can be moved: {self.problem}")
        return part

    async def _make_always(self) -> None:
        while True:
            try:
                await self._make()
            except KvferryError as error:
                text = f"agent {self.agent} is not in use: {error}"
                if text != self.problem:
                    log.warning("%s", text)
                self.problem = text
                await pause(_AGAIN_SECONDS)
                continue
            self.problem = None
            log.info("agent %s is in use: chunks of %d bytes", self.agent, self._chunk_bytes)
            return

    async def _make(self) -> None:
        if self._client is None:
            self._client = await self._connect()
        client = self._client
        await self._check(client)
        if self._reads and self._decode is None:
            self._ends = await RequestEnds.open(client)
            self._decode = DecodeEngine(client, self.agent)
        if self.pool is not None:
            self._prefill = await PrefillEngine.open(client, self.agent, self.pool)

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
