"""What the scheduler side orders from the worker side in one step, and what the worker side reports. Both are sent
between processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .dialect import Remote


@dataclass(frozen=True)
class Save:
    """Chunks of a prompt that this step has computed."""

    request: str
    """The request id of kvferry."""
    receivers: tuple[str, ...] | None
    """None: the prompt is offered."""
    first: int
    """Number of the first one of these chunks in the prompt."""
    blocks: list[list[int]]
    """The blocks of each chunk."""
    keys: list[str]
    """With chunk 0: those of the whole prompt. Later: none."""
    trace: dict[str, str] | None = None
    """Headers that name the trace of the prompt."""


@dataclass(frozen=True)
class Load:
    """Chunks of a prompt for blocks that vLLM has allocated."""

    request_id: str
    """vLLM's."""
    remote: Remote | None
    """None: the parameters could not be read."""
    keys: list[str]
    blocks: list[list[int | None]]
    """The blocks of each chunk. None: this part is there already."""
    first: int = 0
    """Number of the first one of these chunks in the prompt. Those before it do not travel."""
    problem: str | None = None
    """Why nothing can be loaded: the load fails at once."""
    trace: dict[str, str] | None = None

    @property
    def targets(self) -> set[int]:
        return {block for blocks in self.blocks for block in blocks if block is not None}


@dataclass(frozen=True)
class Cancel:
    """A prompt that this server does not offer any more."""

    request: str
    """The request id of kvferry."""
    receivers: tuple[str, ...] | None
    """The decode agents that have its chunks, or get them. None: they were not named."""


@dataclass
class StepOrders:
    saves: list[Save] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    cancels: list[Cancel] = field(default_factory=list)
    drops: list[Remote] = field(default_factory=list)
    """Prompts that this server does not fetch."""
    forgets: bool = False
    """vLLM has emptied its caches: what was put before this step is not offered any more."""


@dataclass
class WorkerReport:
    epoch: str | None = None
    """The process of the first rank's agent that takes puts. None: nothing new."""
    offered: dict[str, int] = field(default_factory=dict)
    """Prompts of which fewer chunks are offered than were ordered: how many."""

    def aggregate(self, other: WorkerReport) -> WorkerReport:
        """Of the ranks of one engine. A prompt has the chunks that every rank offers."""
        both = dict(self.offered)
        for request, chunks in other.offered.items():
            both[request] = min(chunks, both.get(request, chunks))
        return WorkerReport(self.epoch or other.epoch, both)


def chunk_blocks(blocks: Sequence[int], per_chunk: int, first: int, end: int) -> list[list[int]]:
    """The blocks of the chunks from `first` to before `end`."""
    return [list(blocks[chunk * per_chunk : (chunk + 1) * per_chunk]) for chunk in range(first, end)]


def trace_of(headers: Mapping[str, str] | None) -> dict[str, str] | None:
    """Of the headers that vLLM has kept of a request, those that name its trace."""
    found = {name: headers[name] for name in ("traceparent", "tracestate") if headers and name in headers}
    return found or None
