"""The engine's side of a prefill agent: lends slots of its memory, puts chunks as orders of its session, and takes
memory back when the agent gives it back. It opens another session and attaches the memory again when the agent was
restarted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from .ends import RequestEnds
from .errors import KvferryError, invalid_field
from .lendings import Lendings
from .memory_set_up import MemorySetUp
from .orders import SessionRef
from .put_stream import PutStream, PutTarget, RequestPlan
from .session import EngineSession, SessionOptions
from .slots import Slots
from .waiting import in_background, now, pause

if TYPE_CHECKING:
    from typing_extensions import Self

    from .client import Client
    from .lendings import LentBatch
    from .protocol.messages import Heartbeat, Ranks, SourcesReplyBatches, SourcesRequestAfter
    from .source_pool import SlotChunk, SourceChunk, SourcePool
    from .transport import Subscription

log = logging.getLogger("kvferry")

PATIENCE_SECONDS = 10.0
CALL_SECONDS = 2.0
SILENT_SECONDS = 30.0
_CLOSE_PATIENCE = 5.0
_CLOSE_ORDER_PATIENCE = 1.0
_CLOSE_PAUSE = 0.05


class PrefillEngine:
    """Make it with `open`. One engine for each name of a segment, and one pool for each engine. Owned by one event
    loop."""

    def __init__(self, client: Client, agent: str, pool: SourcePool, target: PutTarget, slots: Slots) -> None:
        self.agent = agent
        self.pool = pool
        self._client = client
        self._target = target
        self._slots = slots
        self._lendings = target.lendings
        self._subscriptions: list[Subscription] = []
        self._is_asking = False
        self._is_closed = False
        self._is_unread = False
        """The engine is closed, and no process reads its memory."""

    @classmethod
    async def open(
        cls,
        client: Client,
        agent: str,
        pool: SourcePool,
        *,
        patience: float = PATIENCE_SECONDS,
        call_timeout: float = CALL_SECONDS,
        silent: float = SILENT_SECONDS,
    ) -> PrefillEngine:
        """Opens a session and attaches the memory. What is attached under the name of the segment belongs to an
        earlier engine, whose session is ended. `patience`: how long the agent or an answer may be away before a
        call is given up. `silent`: the agent gives the memory back when this engine is silent for so long. All in
        seconds. Raises `segment_not_found` or `segment_invalid` when the agent cannot open the file,
        `segment_in_use` when it still reads an earlier one, `no_responders` when it is away for longer than the
        patience, and as the client does."""
        slots = Slots(pool.slots)
        lendings = Lendings(pool, slots.give, lambda: client.outages)
        engine: PrefillEngine
        set_up = MemorySetUp(client, agent, pool, call_timeout)
        options = SessionOptions(
            client,
            agent,
            holder=pool.segment,
            set_up=set_up.run,
            on_lost=lambda session: engine._ask_later([session]),
            call_timeout=call_timeout,
            patience=patience,
            silent=silent,
        )
        session = EngineSession(options)
        ends = await RequestEnds.open(client)
        target = PutTarget(client, agent, session, ends, lendings, patience, call_timeout)
        engine = cls(client, agent, pool, target, slots)
        try:
            subscription = await client.on_source_released(agent, lendings.released)
            engine._subscriptions.append(subscription)
            engine._subscriptions.append(await client.on_heartbeat(agent, engine._heard))
            await session.open()
        except BaseException:
            await engine._unsubscribe()
            raise
        return engine

    @property
    def free_slots(self) -> int:
        """Slots that are neither filled nor lent."""
        return self._slots.free

    @property
    def epoch(self) -> str | None:
        """The process of the agent that takes orders now. None while it is away, as far as the engine knows."""
        current = self._target.session.current
        return None if current is None else current.epoch

    async def fill(
        self, keys: Sequence[str], *, length: int | Sequence[int] | None = None, timeout: float = PATIENCE_SECONDS
    ) -> list[SlotChunk]:
        """Takes a slot for each key, as soon as there is one for every key. Write the bytes of each chunk to its
        `view`. Put all chunks, or give them back with `discard`. `length`: bytes of each chunk (default: of a
        slot). Raises `invalid_field` when the memory has fewer slots, and `deadline_exceeded` after `timeout`
        seconds."""
        most = self.pool.slot_bytes
        lengths = [most if length is None else length] * len(keys) if not isinstance(length, Sequence) else length
        if len(lengths) != len(keys) or not all(0 < size <= most for size in lengths):
            raise invalid_field("length", f"the lengths do not fit {len(keys)} chunks in slots of {most} bytes")
        self._check_open()
        slots = await self._slots.take(len(keys), timeout)
        return [self.pool.place(key, slot, size) for key, slot, size in zip(keys, slots, lengths, strict=True)]

    def discard(self, chunks: Iterable[SourceChunk]) -> None:
        """Gives slots back that were filled and will not be put. Does nothing to chunks that were put, so call it
        freely."""
        self._lendings.discard(chunks)

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
        """Begins a request whose batches the caller appends, as the steps of chunked prefill end. Sends nothing
        yet. Without a receiver the chunks are offered: the agent keeps them until `route` names one, for `timeout`
        seconds."""
        self._check_open()
        return PutStream(RequestPlan(request, receiver, total_chunks, timeout, ranks, headers), self._target)

    async def put(
        self,
        request: str,
        receiver: str | None,
        chunks: Sequence[SourceChunk],
        *,
        timeout: float,
        ranks: Ranks | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> PutStream:
        """Puts a whole prompt, or offers it when `receiver` is None. Returns when the agent has accepted it; the
        bytes are then on their way. Raises as `PutStream.append` does. The slots of all chunks come back, also when
        it raises."""
        count = len(chunks)
        try:
            stream = self.begin(request, receiver, total_chunks=count, timeout=timeout, ranks=ranks, headers=headers)
            await stream.append(chunks)
        except BaseException:
            self.discard(chunks)
            raise
        return stream

    async def close(self) -> None:
        """Waits until the agent reads no chunk of the memory any more, at most 5 s; then ends the session, which
        cancels what is still in progress. Raises `segment_in_use` when a process of the agent may still read chunks
        then, also because no process answers; call it again later. The pool stays open. Idempotent once it has
        returned."""
        if self._is_unread:
            return
        self._is_closed = True
        self._slots.close(self._closed_error())
        session, until = self._target.session, now() + _CLOSE_PATIENCE
        await self._unused(until)
        await self._read_by_earlier(until)
        is_unread = await session.end()
        await self._puts_answered()
        if is_unread and session.latest is not None:
            self._lendings.process_reads_nothing(session.latest.epoch)
        await self._ask_for(list(self._lendings.sessions()))
        reading = next(iter(self._lendings.sessions()), None)
        if reading is not None:
            message = f"the process of agent {self.agent} with epoch {reading.epoch} may still read chunks"
            raise KvferryError("segment_in_use", message)
        self._is_unread = True
        await self._unsubscribe()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _unsubscribe(self) -> None:
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            await subscription.close()
        await self._target.ends.close()

    def _heard(self, heartbeat: Heartbeat) -> None:
        epoch = heartbeat["epoch"]
        if heartbeat["leaving"]:
            # Nothing that this process reads can become ready any more.
            self._lendings.process_reads_nothing(epoch)
        elif not heartbeat["draining"]:
            # A draining process takes no puts, and another one may have its name already.
            self._agent_seen(epoch, heartbeat["alone"])

    def _agent_seen(self, epoch: str, is_alone: bool) -> None:
        """When the process that has the name now is alone, those before it have ended. Otherwise they may still
        read."""
        current, latest = self._target.session.current, self._target.session.latest
        sessions = self._lendings.sessions()
        if is_alone and latest is not None and latest.epoch == epoch:
            for session in sessions:
                if session.epoch != epoch:
                    self._lendings.process_reads_nothing(session.epoch)
        asked = [one for one in sessions if one.epoch == epoch and (one != current or self._may_miss(one))]
        if asked:
            self._ask_later(asked)

    def _may_miss(self, session: SessionRef) -> bool:
        return self._slots.is_short or self._lendings.may_miss(session)

    def _ask_later(self, sessions: Sequence[SessionRef]) -> None:
        if not self._is_asking:
            self._is_asking = True
            in_background(self._ask_for(sessions))

    async def _ask_for(self, sessions: Sequence[SessionRef]) -> None:
        """Release events may have been lost, a prompt waits for slots, or a session is over. Asks the agent which
        chunks it may still read. Only batches that the agent had taken before the question can come back."""
        try:
            for session in sessions:
                lent = self._lendings.lent_in(session, "taken")
                if session != self._target.session.current:
                    lent += await self._doubtful(session)
                if not lent and not self._is_closed:
                    continue
                asked = self._lendings.question()
                epoch, is_alone, held = await self._sources(session.id)
                if epoch == session.epoch:
                    self._lendings.keep_only(lent, held, asked)
                elif self._is_closed and is_alone:
                    # Another process answers. Its heartbeats tell when it is alone, but a closed engine has no session
                    # with it.
                    self._lendings.process_reads_nothing(session.epoch)
        except KvferryError as error:
            log.debug("agent %s did not tell what it reads, and is asked again: %s", self.agent, error)
        finally:
            self._is_asking = False

    async def _doubtful(self, session: SessionRef) -> list[LentBatch]:
        """The batches of a session that its engine has left, and whose orders the agent does not execute any more."""
        lent = self._lendings.lent_in(session, "doubtful")
        return lent if lent and await self._is_over(session) else []

    async def _is_over(self, session: SessionRef) -> bool:
        """Whether no order of the session is executed any more. The heartbeat of another process, or its answer,
        does not say so: the process of the session may still have orders that wait."""
        timeout = self._target.call_timeout
        try:
            reply = await self._client.end(self.agent, session=session.id, timeout=timeout)
            return reply["epoch"] == session.epoch
        except KvferryError as error:
            if error.code != "unknown_session":
                log.debug("agent %s did not end session %s: %s", self.agent, session.id, error)
                return False
        # Its own process may have forgotten it.
        part = await self._client.sources(self.agent, session=session.id, timeout=timeout)
        return part["alone"] and part["epoch"] == session.epoch

    async def _sources(self, session: str) -> tuple[str, bool, list[SourcesReplyBatches]]:
        held: list[SourcesReplyBatches] = []
        timeout = self._target.call_timeout
        part = await self._client.sources(self.agent, session=session, timeout=timeout)
        held.extend(part["batches"])
        while "next" in part:
            after: SourcesRequestAfter = {"request": part["next"]["request"], "batch": part["next"]["batch"]}
            part = await self._client.sources(self.agent, session=session, after=after, timeout=timeout)
            held.extend(part["batches"])
        return part["epoch"], part["alone"], held

    async def _unused(self, until: float) -> None:
        """Waits until the agent reads no chunk of this memory, or the time is over."""
        while True:
            outcome = await self._target.session.order(
                "detach", {"segment": self.pool.segment}, patience=_CLOSE_ORDER_PATIENCE
            )
            if outcome.error is None or outcome.error.code != "segment_in_use" or now() >= until:
                return
            await pause(_CLOSE_PAUSE)

    async def _read_by_earlier(self, until: float) -> None:
        """Waits until no earlier process of the agent may read this memory, or the time is over."""
        while self._is_read_by_earlier() and now() < until:
            await pause(_CLOSE_PAUSE)

    def _is_read_by_earlier(self) -> bool:
        latest = self._target.session.latest
        return any(latest is None or session.epoch != latest.epoch for session in self._lendings.sessions())

    async def _puts_answered(self) -> None:
        """Waits until no put is under way: without its session each one fails, at the latest with its last attempt."""
        until = now() + self._target.call_timeout + _CLOSE_ORDER_PATIENCE
        while (self._is_asking or self._lendings.has_pending) and now() < until:
            await pause(_CLOSE_PAUSE)

    def _check_open(self) -> None:
        if self._is_closed:
            raise self._closed_error()

    def _closed_error(self) -> KvferryError:
        return KvferryError("closed", f"the engine of segment {self.pool.segment} is closed")
