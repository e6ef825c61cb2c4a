"""The client without asyncio, for engine threads. One thread runs the event loop; each call has a deadline and may
come from any thread. `submit` starts work and returns a `concurrent.futures.Future`."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from . import client as asynchronous
from .acquired import Acquired
from .decode_engine import DecodeEngine as AsyncDecodeEngine
from .ends import RequestEnd, RequestEnds, ask_end
from .loop_thread import DEADLINE_SECONDS, LoopThread
from .prefill_engine import CALL_SECONDS, PATIENCE_SECONDS, SILENT_SECONDS
from .prefill_engine import PrefillEngine as AsyncPrefillEngine
from .put_stream import PutStream as AsyncPutStream
from .source_pool import SlotChunk, SourceChunk, SourcePool

if TYPE_CHECKING:
    from typing_extensions import Self

    from .protocol.constants import End
    from .protocol.messages import Ranks

T = TypeVar("T")

_GRACE_SECONDS = 10.0


def connect(servers: str | list[str] | None = None, **options: Any) -> Client:
    """As `kvferry.connect`."""
    return Client.start(lambda: asynchronous.connect(servers, **options))


class Client:
    """Make it with `connect`. Ends its thread in `close`."""

    def __init__(self) -> None:
        self._loop = LoopThread()
        self._ends: RequestEnds | None = None
        self.aio: asynchronous.Client
        """The client of the event loop. Hand its coroutines to `run`: `client.run(client.aio.status("decode-0"))`."""

    @classmethod
    def start(cls, make: Callable[[], Awaitable[asynchronous.Client]]) -> Client:
        """`make` runs in the thread of the loop: a client of fake agents, for example."""
        started = cls()

        async def made() -> asynchronous.Client:
            return await make()

        try:
            started.aio = started.run(made())
        except BaseException:
            started._loop.stop()
            raise
        return started

    def run(self, work: Coroutine[Any, Any, T], timeout: float = DEADLINE_SECONDS) -> T:
        """The result of work in the event loop. Raises `deadline_exceeded` after `timeout` seconds."""
        return self._loop.run(work, timeout)

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Starts work in the event loop."""
        return self._loop.submit(work)

    def prefill_engine(
        self,
        agent: str,
        pool: SourcePool,
        *,
        patience: float = PATIENCE_SECONDS,
        call_timeout: float = CALL_SECONDS,
        silent: float = SILENT_SECONDS,
    ) -> PrefillEngine:
        """As `kvferry.PrefillEngine.open`."""
        opening = AsyncPrefillEngine.open(
            self.aio, agent, pool, patience=patience, call_timeout=call_timeout, silent=silent
        )
        return PrefillEngine(self, self.run(opening, patience + DEADLINE_SECONDS))

    def decode_engine(
        self, agent: str, *, call_timeout: float = CALL_SECONDS, patience: float = PATIENCE_SECONDS
    ) -> DecodeEngine:
        engine = AsyncDecodeEngine(self.aio, agent, call_timeout=call_timeout, patience=patience)
        return DecodeEngine(self, engine)

    def expect(self, request: str, timeout: float) -> concurrent.futures.Future[RequestEnd]:
        """The end of a request, whichever engine puts it. Call it before the request is put; it is in force when it
        returns. The future fails with `deadline_exceeded` after `timeout` seconds."""

        async def begin() -> Coroutine[Any, Any, RequestEnd]:
            if self._ends is None:
                self._ends = await RequestEnds.open(self.aio)
            return self._ends.expect(request).wait(timeout)

        return self.submit(self.run(begin()))

    def ask_end(self, request: str, epoch: str, *, sender: str, receiver: str | None) -> RequestEnd | None:
        return self.run(ask_end(self.aio, request, epoch, sender=sender, receiver=receiver))

    def close(self) -> None:
        """Idempotent."""
        if not self._loop.is_usable:
            return
        try:
            self.run(self.aio.close(), _GRACE_SECONDS)
        finally:
            self._loop.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class PrefillEngine:
    """As `kvferry.PrefillEngine`. Views of chunks may be written in any thread."""

    def __init__(self, client: Client, engine: AsyncPrefillEngine) -> None:
        self._client = client
        self.aio = engine

    @property
    def free_slots(self) -> int:
        return self.aio.free_slots

    def fill(
        self, keys: Sequence[str], *, length: int | Sequence[int] | None = None, timeout: float = PATIENCE_SECONDS
    ) -> list[SlotChunk]:
        return self._client.run(self.aio.fill(keys, length=length, timeout=timeout), timeout + _GRACE_SECONDS)

    def discard(self, chunks: Iterable[SourceChunk]) -> None:
        async def discard() -> None:
            self.aio.discard(chunks)

        self._client.run(discard())

    def begin(
        self,
        request: str,
        receiver: str | None,
        *,
        total_chunks: int,
        timeout: float,
        ranks: Ranks | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> PutStream:
        async def begin() -> AsyncPutStream:
            return self.aio.begin(
                request, receiver, total_chunks=total_chunks, timeout=timeout, ranks=ranks, headers=headers
            )

        return PutStream(self._client, self._client.run(begin()))

    def put(
        self,
        request: str,
        receiver: str | None,
        chunks: Sequence[SourceChunk],
        *,
        timeout: float,
        ranks: Ranks | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> PutStream:
        putting = self.aio.put(request, receiver, chunks, timeout=timeout, ranks=ranks, headers=headers)
        return PutStream(self._client, self._client.run(putting))

    def close(self) -> None:
        self._client.run(self.aio.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class PutStream:
    """As `kvferry.PutStream`."""

    def __init__(self, client: Client, stream: AsyncPutStream) -> None:
        self._client = client
        self.aio = stream

    @property
    def epoch(self) -> str | None:
        return self.aio.epoch

    def append(self, chunks: Sequence[SourceChunk], *, last: bool | None = None) -> str:
        return self._client.run(self.aio.append(chunks, last=last))

    def finish(self) -> None:
        self._client.run(self.aio.finish())

    def cancel(self) -> End | None:
        return self._client.run(self.aio.cancel())

    def end(self, timeout: float | None = None) -> RequestEnd:
        return self._client.run(self.aio.end(timeout), self._limit(timeout))

    def ready(self, timeout: float | None = None) -> RequestEnd:
        return self._client.run(self.aio.ready(timeout), self._limit(timeout))

    def end_later(self, timeout: float | None = None) -> concurrent.futures.Future[RequestEnd]:
        """For an engine that looks once a step: the end, when it is known."""
        return self._client.submit(self.aio.end(timeout))

    def _limit(self, timeout: float | None) -> float:
        return (self.aio.plan.timeout if timeout is None else timeout) + DEADLINE_SECONDS


class DecodeEngine:
    """As `kvferry.DecodeEngine`. Pages may be read in any thread."""

    def __init__(self, client: Client, engine: AsyncDecodeEngine) -> None:
        self._client = client
        self.aio = engine

    @contextmanager
    def acquire(self, request: str, epoch: str, keys: Sequence[str] | None = None) -> Iterator[Acquired]:
        context = self.aio.acquire(request, epoch, keys)
        yield from self._entered(context)

    @contextmanager
    def lookup(self, keys: Sequence[str]) -> Iterator[Acquired]:
        yield from self._entered(self.aio.lookup(keys))

    def route(
        self, request: str, sender: str, *, epoch: str | None = None, timeout: float | None = None, skip: int = 0
    ) -> str:
        return self._client.run(self.aio.route(request, sender, epoch=epoch, timeout=timeout, skip=skip))

    def take(self, request: str, epoch: str, keys: Sequence[str] | None = None) -> Acquired:
        return self._client.run(self.aio.take(request, epoch, keys))

    def release(self, request: str, epoch: str) -> None:
        self._client.run(self.aio.release(request, epoch))

    def _entered(self, context: Any) -> Iterator[Acquired]:
        acquired: Acquired = self._client.run(context.__aenter__())
        try:
            yield acquired
        except BaseException as error:
            self._client.run(context.__aexit__(type(error), error, error.__traceback__))
            raise
        self._client.run(context.__aexit__(None, None, None))
