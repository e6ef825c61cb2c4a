"""Which slots the prefill agent may be reading. A slot is lent from the moment its `put` is sent. It comes back
when the agent has not taken the batch and never will, when the agent releases the chunk, or when the process that
read it is gone. Time alone never brings a slot back: an agent that is only slow would read the bytes of another
chunk. A release event can be lost, so the agent is asked about a batch that is lent for long."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .errors import KvferryError, invalid_field
from .orders import SessionRef
from .source_pool import SourceChunk, SourcePool
from .waiting import now

if TYPE_CHECKING:
    from .protocol.messages import SourceReleased, SourcesReplyBatches

log = logging.getLogger("kvferry")

_ASK_AFTER = 5.0
"""Seconds after which the agent is asked about a batch that it has taken, and between two questions."""

LentState = Literal["pending", "doubtful", "taken"]
"""`pending`: the order is under way. `doubtful`: it was given up, and the agent may have taken the batch. `taken`:
the agent has taken it, as far as is known."""


@dataclass(eq=False)
class LentBatch:
    request: str
    batch: int
    slots: list[int | None]
    """The slot of each position. None once it came back, or when the chunk lies in other memory."""
    state: LentState = "pending"
    session: SessionRef | None = None
    """The session in which it was put. None before it is sent."""
    outages: int = 0
    """Outages of NATS before it was lent, or before the agent was asked about it. Release events of later ones may be
    lost, also some from before the answer to its `put`."""
    ask_at: float = float("inf")
    """Release events may be lost without an outage here: at a NATS server, or at the agent. From then on the agent is
    asked."""

    @property
    def name(self) -> tuple[str, int]:
        return (self.request, self.batch)


@dataclass(frozen=True)
class Question:
    """When the agent was asked what it reads."""

    outages: int
    at: float


class Lendings:
    """Bounded by the slots of the pool: a batch without a slot of it is not kept."""

    def __init__(
        self,
        pool: SourcePool,
        give_back: Callable[[list[int]], None],
        outages: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = now,
    ) -> None:
        """`outages`: how often NATS was away so far. `clock`: seconds."""
        self._pool = pool
        self._now = clock
        self._outages = outages
        self._give = give_back
        self._batches: dict[tuple[str, int], LentBatch] = {}

    def lend(self, request: str, batch: int, chunks: Sequence[SourceChunk]) -> None:
        """The batch is about to be sent. Raises `invalid_field` when a chunk is not in its slot any more, and
        `duplicate_batch` when a batch of that name is lent. In both cases the filled slots come back."""
        slots = [self._pool.slot_of(chunk) for chunk in chunks]
        if all(slot is None for slot in slots):
            return
        error = self._not_filled(chunks, slots)
        if error is None and (request, batch) in self._batches:
            message = f"source memory of batch {batch} of request {request} is still lent"
            error = KvferryError("duplicate_batch", message)
        if error is not None:
            self.discard(chunks)
            raise error
        for slot in slots:
            if slot is not None:
                self._pool.leave(slot)
        lent = LentBatch(request, batch, slots, outages=self._outages())
        self._batches[lent.name] = lent

    def sending(self, request: str, batch: int, session: SessionRef) -> None:
        lent = self._batches.get((request, batch))
        if lent is not None:
            lent.session = session

    def discard(self, chunks: Iterable[SourceChunk]) -> None:
        """The chunks will not be sent: their slots come back. Ignores a chunk that is not in its slot any more."""
        back = []
        for chunk in chunks:
            slot = self._pool.slot_of(chunk)
            if slot is not None and self._pool.is_filled(chunk):
                self._pool.leave(slot)
                back.append(slot)
        self._give_back(back)

    def accepted(self, request: str, batch: int) -> None:
        lent = self._batches.get((request, batch))
        if lent is not None:
            lent.state = "taken"
            lent.ask_at = self._now() + _ASK_AFTER
            self._drop_if_empty(lent)

    def doubtful(self, request: str, batch: int) -> None:
        """The order was given up, and it is not known whether the agent has taken the batch."""
        lent = self._batches.get((request, batch))
        if lent is not None:
            lent.state = "doubtful"

    def refused(self, request: str, batch: int) -> None:
        """The agent has not taken the batch, and never will."""
        lent = self._batches.get((request, batch))
        if lent is not None:
            self._take_back(lent)

    def released(self, event: SourceReleased) -> None:
        """The agent may send this event before it answers the `put`."""
        lent = self._batches.get((event["request"], event["batch"]))
        if lent is None or lent.session is None or lent.session.epoch != event["epoch"]:
            return
        back = []
        for position in event["positions"]:
            if position >= len(lent.slots):
                continue
            if lent.slots[position] is None:
                log.warning("the agent has released position %d of %s twice", position, lent.name)
            back.append(lent.slots[position])
            lent.slots[position] = None
        self._give_back(back)
        self._drop_if_empty(lent)

    @property
    def has_pending(self) -> bool:
        """The answer to the `put` of a batch is open."""
        return any(lent.state == "pending" for lent in self._batches.values())

    def sessions(self) -> set[SessionRef]:
        """The sessions in which batches were put that have not come back."""
        return {lent.session for lent in self._batches.values() if lent.session is not None}

    def lent_in(self, session: SessionRef, *states: LentState) -> list[LentBatch]:
        """The batches of a session that have not come back, in these states."""
        return [lent for lent in self._batches.values() if lent.session == session and lent.state in states]

    def may_miss(self, session: SessionRef) -> bool:
        """Whether release events may be lost of a batch that the agent has taken in that session."""
        outages, time = self._outages(), self._now()
        return any(lent.outages != outages or time >= lent.ask_at for lent in self.lent_in(session, "taken"))

    def question(self) -> Question:
        """The agent is about to be asked what it reads."""
        return Question(self._outages(), self._now())

    def keep_only(self, batches: Iterable[LentBatch], held: Iterable[SourcesReplyBatches], asked: Question) -> None:
        """The agent has listed the positions of these batches that it may still read. All others come back."""
        positions = {(one["request"], one["batch"]): set(one["positions"]) for one in held}
        for lent in batches:
            if self._batches.get(lent.name) is not lent:
                continue
            kept = positions.get(lent.name)
            if kept is None:
                self._take_back(lent)
                continue
            lent.state = "taken"
            lent.outages = asked.outages
            lent.ask_at = asked.at + _ASK_AFTER
            free = [position for position in range(len(lent.slots)) if position not in kept]
            back = [lent.slots[position] for position in free]
            for position in free:
                lent.slots[position] = None
            self._give_back(back)
            self._drop_if_empty(lent)

    def process_reads_nothing(self, epoch: str) -> None:
        """The process with that epoch reads nothing any more: every batch that it may have taken comes back."""
        for lent in list(self._batches.values()):
            if lent.session is not None and lent.session.epoch == epoch and lent.state != "pending":
                self._take_back(lent)

    def _not_filled(self, chunks: Sequence[SourceChunk], slots: Sequence[int | None]) -> KvferryError | None:
        seen: set[int] = set()
        for position, (chunk, slot) in enumerate(zip(chunks, slots, strict=True)):
            if slot is None:
                continue
            if slot in seen or not self._pool.is_filled(chunk):
                message = f"chunk {chunk.key!r} is no longer in the memory at offset {chunk.offset}: fill it again"
                return invalid_field(f"chunks[{position}]", message)
            seen.add(slot)
        return None

    def _drop_if_empty(self, lent: LentBatch) -> None:
        """While its answer is open the batch stays, so that its name is not used twice."""
        if lent.state == "taken" and all(slot is None for slot in lent.slots):
            self._batches.pop(lent.name, None)

    def _take_back(self, lent: LentBatch) -> None:
        self._batches.pop(lent.name, None)
        self._give_back(lent.slots)

    def _give_back(self, slots: Iterable[int | None]) -> None:
        own = [slot for slot in slots if slot is not None]
        if own:
            self._give(own)
